"""Each pattern: which transactions show it, which narrowly don't, and which are its evidence."""

from __future__ import annotations

import pytest


def test_money_that_leaves_within_the_hours_is_passed_through(find):
    """1,000 in and 900 out the same day is 90% passed through; card payments are spending and don't count."""
    found = find(
        "PASS_THROUGH",
        ("c", "in", 0, "BANK_TRANSFER", "IN", 1_000),
        ("c", "card", 1, "CARDS", "OUT", 100),
        ("c", "out", 23.9, "BANK_TRANSFER", "OUT", 900),
    )
    assert found == {"c": {"ids": ["in", "out"], "count": 2, "amount": 900.0, "share": 0.9}}


@pytest.mark.parametrize(
    ("hours", "amount", "state"),
    [(24.1, 900, "COMPLETED"), (1, 799, "COMPLETED"), (1, 900, "FAILED"), (-1, 900, "COMPLETED")],
    ids=["too late", "too small a share", "never left", "left before it came"],
)
def test_a_pattern_with_an_unmet_condition_is_not_found(find, hours, amount, state):
    """A pattern with one unmet condition isn't found."""
    rows = [("c", "in", 0, "BANK_TRANSFER", "IN", 1_000), ("c", "out", hours, "BANK_TRANSFER", "OUT", amount, state)]
    assert find("PASS_THROUGH", *rows) == {}


def test_money_that_comes_and_leaves_at_the_same_time_is_passed_through(find):
    """Of two transactions at the same time, money in counts as before money out; the end of the window is included."""
    rows = [("c", "out", 0, "PAYMENTS", "OUT", 600), ("c", "in", 0, "BANK_TRANSFER", "IN", 600)]
    assert find("PASS_THROUGH", *rows)["c"]["amount"] == 600.0
    later = [rows[1], ("c", "out", 24, "PAYMENTS", "OUT", 600)]
    assert find("PASS_THROUGH", *later)["c"]["amount"] == 600.0


def test_the_oldest_money_is_matched_first(find):
    """Only transactions that carried matched money are evidence."""
    rows = [
        ("c", "first", 0, "BANK_TRANSFER", "IN", 500),
        ("c", "second", 5, "BANK_TRANSFER", "IN", 1_000),
        ("c", "out", 6, "BANK_TRANSFER", "OUT", 800),
        ("c", "late", 40, "BANK_TRANSFER", "OUT", 5_000),
    ]
    found = find("PASS_THROUGH", *rows, share=0.5)["c"]
    assert (found["ids"], found["amount"]) == (["first", "second", "out"], 800.0)


def test_sums_below_the_amount_are_not_passed_through(find):
    """Sums below the declared amount aren't a pattern."""
    rows = [("c", "in", 0, "BANK_TRANSFER", "IN", 499), ("c", "out", 1, "BANK_TRANSFER", "OUT", 499)]
    assert find("PASS_THROUGH", *rows) == {}
    assert find("PASS_THROUGH", *rows, amount=499)["c"]["amount"] == 499.0


def test_sums_of_cents_reach_a_threshold_exactly(find):
    """Ten amounts of 0.1 EUR are 1 EUR, although their binary sum is less."""
    rows = [("c", f"in{n}", n, "BANK_TRANSFER", "IN", 0.1) for n in range(10)]
    found = find("PASS_THROUGH", *rows, ("c", "out", 10, "PAYMENTS", "OUT", 1.0), amount=1, share=1)
    assert (found["c"]["amount"], found["c"]["share"]) == (1.0, 1.0)


def test_a_pending_transfer_counts_as_money_out(find):
    """A pending transfer counts as money out; pending money in doesn't count."""
    rows = [("c", "in", 0, "BANK_TRANSFER", "IN", 600), ("c", "out", 1, "BANK_TRANSFER", "OUT", 600, "PENDING")]
    assert "c" in find("PASS_THROUGH", *rows)
    assert find("PASS_THROUGH", ("c", "in", 0, "BANK_TRANSFER", "IN", 600, "PENDING"), rows[1]) == {}


def test_crypto_paid_with_recent_money_is_found(find):
    """The share is that of the crypto purchases, so other money in doesn't lower it."""
    found = find(
        "CRYPTO_FED_AT_ONCE",
        ("c", "salary", 0, "BANK_TRANSFER", "IN", 5_000),
        ("c", "top-up", 100, "CARD_TOP_UP", "IN", 600),
        ("c", "crypto", 101, "CRYPTO_ON_RAMP", "OUT", 600),
    )
    assert found["c"]["ids"] == ["top-up", "crypto"]


def test_crypto_bought_with_sold_crypto_does_not_count(find):
    """Crypto that was sold and bought again doesn't count."""
    rows = [("c", "sold", 0, "CRYPTO_OFF_RAMP", "IN", 900), ("c", "bought", 1, "CRYPTO_ON_RAMP", "OUT", 900)]
    assert find("CRYPTO_FED_AT_ONCE", *rows) == {}


def test_failed_top_ups_in_a_row_are_all_evidence(find):
    """Each top-up of a burst is shown; one on another day is not."""
    found = find(
        "FAILED_TOP_UPS",
        *(("c", f"t{hour}", hour, "CARD_TOP_UP", "IN", 50, "FAILED") for hour in (0, 1, 2, 20)),
        ("c", "later", 200, "CARD_TOP_UP", "IN", 50, "FAILED"),
        ("c", "done", 3, "CARD_TOP_UP", "IN", 50),
        ("c", "card", 3, "CARDS", "OUT", 50, "DECLINED"),
    )
    assert found["c"]["ids"] == ["t0", "t1", "t2", "t20"]
    assert (found["c"]["count"], found["c"]["amount"]) == (4, 200.0)


@pytest.mark.parametrize("state", ["FAILED", "DECLINED", "CANCELLED"])
def test_a_burst_is_within_its_hours(find, state):
    """Three within exactly 24 hours are a burst; a microsecond more is not."""
    exact = [("c", str(hour), hour, "CARD_TOP_UP", "IN", 5, state) for hour in (0, 12, 24)]
    longer = [("c", str(hour), hour, "CARD_TOP_UP", "IN", 5, state) for hour in (0, 12, 24.001)]
    assert "c" in find("FAILED_TOP_UPS", *exact)
    assert find("FAILED_TOP_UPS", *longer) == {}


def test_transactions_of_two_customers_are_not_one_burst(find):
    """Two customers with half a burst each show nothing."""
    rows = [(f"c{number % 2}", str(number), number / 100, "CARDS", "OUT", 5) for number in range(14)]
    assert find("VELOCITY_BURST", *rows) == {}


def test_many_transactions_within_an_hour_are_a_burst(find):
    """Attempts count in every state; card checks of EUR 0 don't count."""
    rows = [("c", str(n), n / 10, "CARDS", "OUT", 5, ("COMPLETED", "DECLINED")[n % 2]) for n in range(8)]
    assert find("VELOCITY_BURST", *rows)["c"]["count"] == 8
    assert find("VELOCITY_BURST", *rows[:7], ("c", "check", 0.7, "CARDS", "OUT", 0)) == {}


def test_transactions_between_two_bursts_are_not_evidence(find):
    """Only transactions inside a burst are evidence."""
    rows = [("c", f"{day}-{n}", 24 * day + n / 20, "CARDS", "OUT", 5) for day in (0, 2) for n in range(8)]
    found = find("VELOCITY_BURST", *rows, ("c", "between", 24, "CARDS", "OUT", 5))
    assert found["c"]["ids"] == [row[1] for row in rows]


@pytest.mark.parametrize(("country", "count"), [("FR", 4), ("PF", None), (None, None), ("XX", None)])
def test_night_is_in_the_residences_local_time(find, country, count):
    """23:30 UTC is past midnight in France, and not in Tahiti or where the residence is unknown."""
    rows = [("c", str(n), 14.5 + n / 10, "CARDS", "OUT", 5) for n in range(4)]
    found = find("NIGHT_BURST", *rows, country=country)
    assert (found["c"]["count"] if found else None) == count


@pytest.mark.parametrize("country", [None, "XX"])
def test_night_is_in_utc_if_the_residence_is_unknown(find, country):
    """Four transactions past midnight in UTC are a burst for a customer without a known residence."""
    rows = [("c", str(n), 15.5 + n / 10, "CARDS", "OUT", 5) for n in range(4)]
    assert find("NIGHT_BURST", *rows, country=country)["c"]["count"] == 4


def test_transactions_of_two_nights_are_not_one_burst(find):
    """Two before six and two after the next midnight are not four in one night."""
    rows = [("c", str(hour), hour, "CARDS", "OUT", 5) for hour in (19, 19.5, 38.2, 38.4)]  # 05:00 and 00:12 in France
    assert find("NIGHT_BURST", *rows) == {}


def test_amounts_just_below_round_thresholds_within_a_week_are_found(find):
    """Amounts such as 950 to 999.99 or 1,900 to 1,999.99 count; the round threshold itself doesn't."""
    rows = [
        ("c", str(day), 24 * day, "BANK_TRANSFER", "OUT", amount) for day, amount in ((0, 990), (1, 1_950), (2, 475))
    ]
    assert find("JUST_BELOW_ROUND", *rows)["c"]["ids"] == ["0", "1", "2"]
    assert find("JUST_BELOW_ROUND", *rows[:2], ("c", "2", 48, "BANK_TRANSFER", "OUT", 500)) == {}


def test_amounts_a_month_apart_are_not_a_pattern(find):
    """The amounts must come within the declared hours."""
    rows = [("c", str(month), 30 * 24 * month, "BANK_TRANSFER", "OUT", 980) for month in range(4)]
    assert find("JUST_BELOW_ROUND", *rows) == {}


@pytest.mark.parametrize(
    ("amount", "usual", "found"), [(3_000, 0, True), (4_001, 0, False), (1, 4_000, True), (1, 4_001, False)]
)
def test_large_amount_reaches_the_declared_and_the_usual_amount(find, amount, usual, found):
    """An amount is large if it is at least the declared amount and at least the population's."""
    row = ("c", "big", 0, "BANK_TRANSFER", "IN", 4_000)
    assert bool(find("LARGE_AMOUNT", row, amount=amount, usual=usual)) == found


@pytest.mark.parametrize(("direction", "state"), [("OUT", "FAILED"), ("IN", "PENDING"), ("OUT", "REVERSED")])
def test_an_amount_that_did_not_move_is_not_large(find, direction, state):
    """Failed transactions and pending money in don't count as moved."""
    assert find("LARGE_AMOUNT", ("c", "t", 0, "BANK_TRANSFER", direction, 9_000, state)) == {}
