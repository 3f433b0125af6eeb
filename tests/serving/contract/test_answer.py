"""The answer on the wire."""

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
    probability=0.83,
    segment="high",
    action="propose_off_boarding",
    reasons=(_REASON,),
    patterns=(_PATTERN,),
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


def test_the_answer_has_the_fields_of_the_wire() -> None:
    """Every field, in the documented order, and nothing of the record's."""
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
    """decided_at is RFC 3339, and the decision's id holds the same millisecond."""
    wire = _wire(explain=True)
    assert wire["decided_at"] == "2027-01-15T08:00:00.250000Z"
    assert UUID(wire["decision_id"]).int >> 80 == 1_800_000_000_250


def test_investigators_see_all_of_a_reason() -> None:
    """The `explain` scope shows value, contribution and the investigator's wording; a missing value is null."""
    (reason,) = _wire(explain=True)["reasons"]
    assert reason == msgspec.to_builtins(_REASON)
    assert reason["value"] is None


def test_others_see_nothing_that_could_tip_off() -> None:
    """Without the scope, code, customer-safe wording and direction are all that a reason says."""
    (reason,) = _wire(explain=False)["reasons"]
    assert set(reason) == {"code", "text", "direction"}


def test_investigators_see_all_of_a_pattern() -> None:
    """The `explain` scope shows every field of a pattern, in the wire's order; a share that it lacks is null."""
    (pattern,) = _wire(explain=True)["patterns"]
    assert pattern == msgspec.to_builtins(_PATTERN)
    assert tuple(pattern) == WirePattern.__struct_fields__ == FoundPattern.__struct_fields__
    assert pattern["share"] is None
    assert pattern["amount"] == 1000.0


def test_others_see_the_codes_of_patterns() -> None:
    """Without the scope, a pattern has its code and no other member, not even one that is null."""
    assert _wire(explain=False)["patterns"] == [{"code": "NIGHT_BURST"}]


@pytest.mark.parametrize("explain", [True, False])
@pytest.mark.parametrize(("found", "told"), [((), []), (None, None)])
def test_no_pattern_is_told_apart_from_none_that_can_be_seen(found, told, explain) -> None:
    """Transactions without a pattern give an empty list; where no patterns can be seen, the answer has null."""
    assert _wire(msgspec.structs.replace(_DECISION, patterns=found), explain=explain)["patterns"] == told


@pytest.mark.parametrize("explain", [True, False])
def test_rules_see_no_patterns(explain) -> None:
    """Answers by rules have null."""
    wire = _wire(Ruling(segment="high", action="review", reasons=()), explain=explain)
    assert wire["patterns"] is wire["probability"] is None


def test_both_forms_say_the_same_otherwise() -> None:
    """The scope changes only the reasons and the patterns."""
    full, short = _wire(explain=True), _wire(explain=False)
    for wire in (full, short):
        del wire["reasons"], wire["patterns"], wire["decision_id"]
    assert full == short
