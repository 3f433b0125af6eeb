"""Earlier decisions, and what has changed since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from customer_risk.model.offboarding.decided_before import decided_before
from customer_risk.model.offboarding.earlier import Earlier

FIRST = datetime(2024, 6, 3, 9, 0, tzinfo=UTC)
LAST = datetime(2024, 7, 3, 9, 0, tzinfo=UTC)
ROW = {
    "model_version": "a" * 64,
    "probability": 0.52,
    "segment": "high",
    "patterns": "PASS_THROUGH; NIGHT_BURST",
    "reasons": "NIGHT_SHARE; IN_SUM",
    "transactions": 12,
    "first_transaction": FIRST,
    "last_transaction": LAST,
}


def earlier(**changes):
    """The decision of a run in which the customer had the same row, except for the given changes."""
    facts = {
        "customer_id": "c",
        "decision": "keep",
        "date": "2026-01-06",
        "name": "Ann Example",
        "note": "Spoke with the customer",
        "verified": True,
        "approver": "",
        "approver_verified": False,
        "run": "b" * 64,
        "made_at": FIRST,
        "model_version": "a" * 64,
        "probability": 0.52,
        "segment": "high",
        "reasons": ("NIGHT_SHARE", "IN_SUM"),
        "patterns": ("PASS_THROUGH", "NIGHT_BURST"),
        "transactions": 12,
        "first_transaction": FIRST,
        "last_transaction": LAST,
    }
    return Earlier(**(facts | changes))


def test_nothing_has_changed():
    """The same row in both runs gives no change."""
    assert decided_before(earlier(), ROW).changes == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_version": "c" * 64}, ["The earlier score was made with another bundle."]),
        ({"probability": 0.41}, ["The probability was 0.410 and is now 0.520."]),
        ({"probability": 0.52000001}, ["The probability changed by less than 0.001 and is 0.520."]),
        ({"segment": "medium"}, ["The segment was Medium and is now High."]),
        ({"patterns": ("PASS_THROUGH",)}, ["New patterns: NIGHT_BURST."]),
        (
            {"patterns": ("PASS_THROUGH", "NIGHT_BURST", "LARGE_AMOUNT")},
            ["No longer among the patterns: LARGE_AMOUNT."],
        ),
        ({"transactions": 10}, ["The number of transactions was 10 and is now 12."]),
        (
            {"last_transaction": LAST - timedelta(days=1)},
            ["The number of transactions is 12 as before; the last one was made at 2024-07-03 09:00 UTC."],
        ),
        (
            {"reasons": ("IN_SUM", "OUT_SUM")},
            ["New strongest reasons: NIGHT_SHARE.", "No longer among the strongest reasons: OUT_SUM."],
        ),
    ],
)
def test_each_change_is_a_sentence(changes, said):
    """Bundle, probability, segment, patterns, transactions and reasons are compared."""
    assert list(decided_before(earlier(**changes), ROW).changes) == said


def test_customer_without_transactions_is_compared():
    """A history that is empty now has no last transaction."""
    row = ROW | {"transactions": 0, "first_transaction": None, "last_transaction": None}
    assert decided_before(earlier(), row).changes == ("The number of transactions was 12 and is now 0.",)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "Decided before: keep, on 2026-01-06, by Ann Example."),
        ({"verified": False}, "Decided before: keep, on 2026-01-06, by Ann Example (name claimed)."),
        (
            {"approver": "Bo Second", "approver_verified": True},
            "Decided before: keep, on 2026-01-06, by Ann Example, approved by Bo Second.",
        ),
        (
            {"approver": "Bo Second"},
            "Decided before: keep, on 2026-01-06, by Ann Example, approved by Bo Second (name claimed).",
        ),
    ],
)
def test_sentence_names_who_decided(facts, said):
    """A name that no token proved is marked as claimed."""
    assert decided_before(earlier(**facts), ROW).tell() == said
