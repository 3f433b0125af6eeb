"""The answer on the wire."""

from __future__ import annotations

import json
from uuid import UUID

import msgspec
import numpy as np

from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.scoring.reasons import Reason
from customer_risk.model.scoring.scorer import Verdict
from customer_risk.serving.contract.answer import Basis, ModelName, answer_of, render

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
_DECISION = Verdict(
    probability=0.83,
    segment="high",
    action="propose_off_boarding",
    reasons=(_REASON,),
)


def _wire(*, explain: bool) -> dict:
    answer = answer_of(
        _DECISION,
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


def test_both_forms_say_the_same_otherwise() -> None:
    """The scope changes the reasons alone."""
    full, short = _wire(explain=True), _wire(explain=False)
    for wire in (full, short):
        del wire["reasons"], wire["decision_id"]
    assert full == short
