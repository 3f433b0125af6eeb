"""The example of a made-up customer."""

from __future__ import annotations

import pytest

from customer_risk.model.training.example import work_through


def row(customer, *, action="none", segment="low", probability=0.1, rows=2, **answer):
    """Return a golden row with two features and one reason."""
    transactions = [
        {"id": f"t{at // 2}", "created_at": f"2024-08-0{at + 1}T10:00:00.000000Z", "amount": 10.0 * (at + 1)}
        for at in range(rows)
    ]
    reason = {"feature": "night_share", "investigator_text": "half at night", "contribution": 0.5}
    found = {"features": {"night_share": 0.5, "in_sum": None}, "reasons": [reason], "probability": probability}
    return {
        "request": {
            "customer_id": customer,
            "profile": {"occupation": None, "is_pep": False, "has_biometrics": True, "locale": "fr_FR"},
            "transactions": transactions,
        },
        "answer": found | {"action": action, "segment": segment} | answer,
    }


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([row("a"), row("b", probability=0.2)], "b"),
        ([row("a", probability=0.9), row("b", action="review", segment="medium", probability=0.2)], "b"),
        (
            [
                row("a", action="review", segment="high", probability=0.9),
                row("b", action="propose_off_boarding", segment="high", probability=0.8),
            ],
            "b",
        ),
    ],
)
def test_the_strongest_action_and_then_the_highest_probability_is_chosen(rows, chosen):
    """A proposal is preferred to a review, and a review to no action."""
    assert work_through(rows, -2.0).customer == chosen


def test_repeated_golden_rows_are_skipped():
    """Requests with columns or features are skipped; without other requests there is no example."""
    given = {"request": {"customer_id": "x", "features": {}}, "answer": {}}
    assert work_through([given], -2.0) is None
    assert work_through([given, row("a")], -2.0).customer == "a"


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_probability_without_finite_log_odds_is_not_chosen(probability):
    """Training doesn't end for a golden customer whose probability is exactly 0 or 1."""
    assert work_through([row("a", probability=probability), row("b")], 0.0).customer == "b"
    assert work_through([row("a", probability=probability)], 0.0) is None


def test_the_example_describes_profile_and_transactions():
    """The example has values as words, counts of transactions and rows, days and the largest amount."""
    found = work_through([row("a", rows=3)], -2.0)
    assert found.profile == {"occupation": "not stated", "is_pep": "no", "has_biometrics": "yes", "locale": "fr_FR"}
    assert (found.transactions, found.transaction_rows, found.amount) == (2, 3, 30.0)
    assert (found.first, found.last) == ("2024-08-01", "2024-08-03")
    assert (found.features, found.missing) == (2, 1)


def test_a_customer_without_transactions_has_no_days():
    """Without transactions there is neither a day nor an amount."""
    found = work_through([row("a", rows=0)], -2.0)
    assert (found.transactions, found.first, found.last, found.amount) == (0, None, None, 0.0)


@pytest.mark.parametrize(
    ("answer", "patterns"),
    [
        ({}, None),
        ({"patterns": None}, None),
        ({"patterns": []}, ()),
        ({"patterns": [{"code": "A", "investigator_text": "b"}]}, (("A", "b"),)),
    ],
)
def test_the_example_has_the_patterns_of_the_answer(answer, patterns):
    """A bundle without an action rule differs from a customer without patterns."""
    found = work_through([row("a", **answer)], -2.0).patterns
    assert (found if found is None else tuple((each.code, each.text) for each in found)) == patterns
