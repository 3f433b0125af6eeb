"""The answer that callers get."""

from __future__ import annotations

import json
from uuid import UUID

import msgspec
import numpy as np
import pytest

from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.patterns.found_pattern import FoundPattern
from customer_risk.model.scoring.reasons import Reason
from customer_risk.model.scoring.scorer import Verdict
from customer_risk.serving.contract.answer import Basis, ModelName, Ruling, WirePattern, answer_of, render

_REASON = Reason(
    code="PASS_THROUGH_24H",
    text="How money moves through your account.",
    direction="raises",
    feature="pass_through_24h",
    value=None,
    unit="share",
    contribution=0.91,
    share=0.31,
    investigator_text="unknown of the money left within a day",
)
_PATTERN = FoundPattern(
    code="NIGHT_BURST",
    count=4,
    amount=1000.0,
    share=None,
    first_at="2026-11-02T01:15:00Z",
    last_at="2026-11-02T02:40:12.500000Z",
    investigator_text="4 transactions in bursts of 4 or more.",
)
_DECISION = Verdict(
    probability=0.83, segment="high", action="propose_off_boarding", reasons=(_REASON,), patterns=(_PATTERN,)
)


def _wire(decision: Verdict | Ruling = _DECISION, *, explain: bool) -> dict:
    answer = answer_of(
        decision,
        customer_id="c-1",
        source="model",
        model=ModelName("customer-risk", "ab12"),
        warnings=(InputWarning("HISTORY_CUT", "/history_complete", "..."),),
        basis=Basis(names=("pass_through_24h",), values=np.array([np.nan]), encoded=None),
        now=1_800_000_000.25,
    )
    return json.loads(msgspec.json.encode(render(answer, explain=explain)))


def test_the_answer_has_every_documented_field() -> None:
    """The answer has every field in the documented order, and no field of the record."""
    assert list(_wire(explain=True)) == [
        "decision_id",
        "customer_id",
        "decided_at",
        "probability",
        "segment",
        "action",
        "reasons",
        "patterns",
        "source",
        "model",
        "warnings",
    ]


def test_the_time_is_utc_with_a_z_and_in_the_id() -> None:
    """decided_at is RFC 3339, and the decision's id has the same millisecond."""
    wire = _wire(explain=True)
    assert wire["decided_at"] == "2027-01-15T08:00:00.250000Z"
    assert UUID(wire["decision_id"]).int >> 80 == 1_800_000_000_250


def test_investigators_see_every_field_of_a_reason() -> None:
    """With the scope `explain`, a reason has value, contribution and the investigator's text, null if missing."""
    (reason,) = _wire(explain=True)["reasons"]
    assert reason == msgspec.to_builtins(_REASON)
    assert reason["value"] is None


def test_other_callers_see_only_the_customers_part_of_a_reason() -> None:
    """Without the scope, a reason has only code, the customer's text and direction."""
    (reason,) = _wire(explain=False)["reasons"]
    assert set(reason) == {"code", "text", "direction"}


def test_investigators_see_every_field_of_a_pattern() -> None:
    """With the scope `explain`, a pattern has every field in the documented order; a missing share is null."""
    (pattern,) = _wire(explain=True)["patterns"]
    assert pattern == msgspec.to_builtins(_PATTERN)
    assert tuple(pattern) == WirePattern.__struct_fields__ == FoundPattern.__struct_fields__
    assert pattern["share"] is None
    assert pattern["amount"] == 1000.0


def test_other_callers_see_only_the_codes_of_patterns() -> None:
    """Without the scope, a pattern has only its code."""
    assert _wire(explain=False)["patterns"] == [{"code": "NIGHT_BURST"}]


@pytest.mark.parametrize("explain", [True, False])
@pytest.mark.parametrize(("found", "told"), [((), []), (None, None)])
def test_an_empty_list_differs_from_unsearched_patterns(found, told, explain) -> None:
    """Transactions without a pattern give an empty list; if patterns weren't searched, the answer has null."""
    assert _wire(msgspec.structs.replace(_DECISION, patterns=found), explain=explain)["patterns"] == told


@pytest.mark.parametrize("explain", [True, False])
def test_answers_by_rules_have_no_probability_or_patterns(explain) -> None:
    """Answers by rules have a null probability."""
    wire = _wire(Ruling(segment="high", action="review", reasons=()), explain=explain)
    assert wire["patterns"] is wire["probability"] is None


def test_the_scope_changes_only_reasons_and_patterns() -> None:
    """The scope changes only the reasons and the patterns."""
    full, short = _wire(explain=True), _wire(explain=False)
    for wire in (full, short):
        del wire["reasons"], wire["patterns"], wire["decision_id"]
    assert full == short
