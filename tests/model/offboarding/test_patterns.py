"""Each declared pattern: what shows it, what just doesn't, and which transactions are its evidence."""

from __future__ import annotations

import polars as pl
import pytest

from customer_risk.model.config import load_config
from customer_risk.model.offboarding.patterns import FOUND, PATTERNS

DEFAULTS = load_config().corroboration.rules
BY_CODE = {rule.code: rule for rule in PATTERNS}


def find(code, transactions, **changed):
    """Search for one rule with the default thresholds, some of them changed."""
    found = BY_CODE[code].find(transactions, DEFAULTS[code] | changed)
    assert found.schema == FOUND
    return {row["customer_id"]: row for row in found.iter_rows(named=True)}


def test_money_that_leaves_within_the_hours_is_passed_through(make_transactions):
    """1,000 in and 900 out the same day is 90% passed through; card payments are spending and don't count."""
    transactions = make_transactions(
        ("c", "in", 0, "BANK_TRANSFER", "IN", 1_000),
        ("c", "card", 1, "CARDS", "OUT", 100),
        ("c", "out", 23.9, "BANK_TRANSFER", "OUT", 900),
    )
    found = find("PASS_THROUGH", transactions)
    assert found["c"]["ids"] == ["in", "out"]
    assert (found["c"]["amount"], found["c"]["share"]) == (900.0, 0.9)


@pytest.mark.parametrize(
    ("hours", "amount", "state"),
    [(24.1, 900, "COMPLETED"), (1, 799, "COMPLETED"), (1, 900, "FAILED"), (-1, 900, "COMPLETED")],
    ids=["too late", "too small a share", "never left", "left before it came"],
)
def test_money_that_stays_is_not_passed_through(make_transactions, hours, amount, state):
    """One condition short is no pattern."""
    transactions = make_transactions(
        ("c", "in", 0, "BANK_TRANSFER", "IN", 1_000), ("c", "out", hours, "BANK_TRANSFER", "OUT", amount, state)
    )
    assert find("PASS_THROUGH", transactions) == {}


def test_small_change_is_not_passed_through(make_transactions):
    """Sums below the declared amount are daily life."""
    transactions = make_transactions(
        ("c", "in", 0, "BANK_TRANSFER", "IN", 499), ("c", "out", 1, "BANK_TRANSFER", "OUT", 499)
    )
    assert find("PASS_THROUGH", transactions) == {}
    assert find("PASS_THROUGH", transactions, amount=499)["c"]["amount"] == 499.0


def test_pending_money_out_is_committed(make_transactions):
    """A transfer out that is still pending has left; money in that is pending hasn't come."""
    rows = [("c", "in", 0, "BANK_TRANSFER", "IN", 600), ("c", "out", 1, "BANK_TRANSFER", "OUT", 600, "PENDING")]
    assert "c" in find("PASS_THROUGH", make_transactions(*rows))
    waiting = [("c", "in", 0, "BANK_TRANSFER", "IN", 600, "PENDING"), *rows[1:]]
    assert find("PASS_THROUGH", make_transactions(*waiting)) == {}


def test_crypto_paid_with_fresh_money_is_found(make_transactions):
    """The share is taken of the crypto purchases, so other money in doesn't hide them."""
    transactions = make_transactions(
        ("c", "salary", 0, "BANK_TRANSFER", "IN", 5_000),
        ("c", "top-up", 100, "CARD_TOP_UP", "IN", 600),
        ("c", "crypto", 101, "CRYPTO_ON_RAMP", "OUT", 600),
    )
    assert find("CRYPTO_FED_AT_ONCE", transactions)["c"]["ids"] == ["top-up", "crypto"]


def test_crypto_bought_with_crypto_sold_is_trading(make_transactions):
    """Whoever sells and buys again moves no fresh money."""
    transactions = make_transactions(
        ("c", "sold", 0, "CRYPTO_OFF_RAMP", "IN", 900), ("c", "bought", 1, "CRYPTO_ON_RAMP", "OUT", 900)
    )
    assert find("CRYPTO_FED_AT_ONCE", transactions) == {}


def test_failed_top_ups_in_a_row_are_all_evidence(make_transactions):
    """Each top-up of a burst is shown; one on another day is not."""
    transactions = make_transactions(
        *(("c", f"t{hour}", hour, "CARD_TOP_UP", "IN", 50, "FAILED") for hour in (0, 1, 2, 20)),
        ("c", "later", 200, "CARD_TOP_UP", "IN", 50, "FAILED"),
        ("c", "done", 3, "CARD_TOP_UP", "IN", 50),
        ("c", "card", 3, "CARDS", "OUT", 50, "DECLINED"),
    )
    found = find("FAILED_TOP_UPS", transactions)
    assert found["c"]["ids"] == ["t0", "t1", "t2", "t20"]
    assert (found["c"]["count"], found["c"]["amount"]) == (4, 200.0)


def test_burst_ends_with_its_hours(make_transactions):
    """Three within 24 hours to the microsecond are a burst, a moment more is none."""
    exact = [("c", str(hour), hour, "CARD_TOP_UP", "IN", 5, "FAILED") for hour in (0, 12, 24)]
    longer = [("c", str(hour), hour, "CARD_TOP_UP", "IN", 5, "FAILED") for hour in (0, 12, 24.001)]
    assert "c" in find("FAILED_TOP_UPS", make_transactions(*exact))
    assert find("FAILED_TOP_UPS", make_transactions(*longer)) == {}


def test_customers_are_never_taken_together(make_transactions):
    """Two customers with half a burst each show nothing."""
    rows = [(f"c{number % 2}", str(number), number / 100, "CARDS", "OUT", 5) for number in range(14)]
    assert find("VELOCITY_BURST", make_transactions(*rows)) == {}


def test_many_transactions_within_an_hour_are_a_burst(make_transactions):
    """Attempts count whatever became of them; card checks of 0 don't."""
    rows = [("c", str(n), n / 10, "CARDS", "OUT", 5, ("COMPLETED", "DECLINED")[n % 2]) for n in range(8)]
    assert find("VELOCITY_BURST", make_transactions(*rows))["c"]["count"] == 8
    checks = [*rows[:7], ("c", "check", 0.7, "CARDS", "OUT", 0)]
    assert find("VELOCITY_BURST", make_transactions(*checks)) == {}


def test_two_bursts_are_both_shown_and_what_is_between_is_not(make_transactions):
    """Evidence is what lies inside a burst."""
    rows = [("c", f"{day}-{n}", 24 * day + n / 20, "CARDS", "OUT", 5) for day in (0, 2) for n in range(8)]
    transactions = make_transactions(*rows, ("c", "between", 24, "CARDS", "OUT", 5))
    assert find("VELOCITY_BURST", transactions)["c"]["ids"] == [row[1] for row in rows]


def test_night_is_where_the_customer_lives(make_transactions):
    """23:00 UTC is past midnight in France, and the early afternoon in Tahiti."""
    rows = [("c", str(n), 14.5 + n / 10, "CARDS", "OUT", 5) for n in range(4)]
    assert find("NIGHT_BURST", make_transactions(*rows, country="FR"))["c"]["count"] == 4
    assert find("NIGHT_BURST", make_transactions(*rows, country="PF")) == {}


def test_two_nights_are_no_burst(make_transactions):
    """Two before six and two after the next midnight are not four in one night."""
    rows = [
        ("c", str(hour), hour, "CARDS", "OUT", 5) for hour in (19, 19.5, 38.2, 38.4)
    ]  # 05:00 to 05:30, 00:12 to 00:24
    assert find("NIGHT_BURST", make_transactions(*rows)) == {}


def test_amounts_just_below_round_thresholds_within_a_week_are_found(make_transactions):
    """Three of 950 to 999.99, 1,900 to 1,999.99 and so on; the threshold itself is none."""
    rows = [
        ("c", str(day), 24 * day, "BANK_TRANSFER", "OUT", amount) for day, amount in ((0, 990), (1, 1_950), (2, 475))
    ]
    assert find("JUST_BELOW_ROUND", make_transactions(*rows))["c"]["ids"] == ["0", "1", "2"]
    exact = [*rows[:2], ("c", "2", 48, "BANK_TRANSFER", "OUT", 500)]
    assert find("JUST_BELOW_ROUND", make_transactions(*exact)) == {}


def test_monthly_rent_just_below_a_threshold_is_no_pattern(make_transactions):
    """The amounts must come within the declared hours."""
    rows = [("c", str(month), 30 * 24 * month, "BANK_TRANSFER", "OUT", 980) for month in range(4)]
    assert find("JUST_BELOW_ROUND", make_transactions(*rows)) == {}


def test_large_amount_stands_out_among_the_customers(make_transactions):
    """Large is what is beyond the declared amount and beyond nearly all customers' greatest."""
    usual = [(f"c{n:02}", f"t{n}", n, "BANK_TRANSFER", "IN", 100 + n) for n in range(40)]
    transactions = make_transactions(*usual, ("rich", "big", 0, "BANK_TRANSFER", "IN", 4_000))
    assert find("LARGE_AMOUNT", transactions)["rich"]["ids"] == ["big"]
    assert find("LARGE_AMOUNT", transactions, amount=4_001) == {}


def test_where_everybody_moves_large_amounts_nobody_stands_out(make_transactions):
    """The population raises the bar above the declared amount."""
    rows = [(f"c{n:02}", f"t{n}", n, "BANK_TRANSFER", "IN", 5_000 + n) for n in range(100)]
    assert sorted(find("LARGE_AMOUNT", make_transactions(*rows))) == ["c95", "c96", "c97", "c98", "c99"]


def test_amount_that_was_only_tried_is_not_large(make_transactions):
    """What failed didn't move."""
    assert find("LARGE_AMOUNT", make_transactions(("c", "t", 0, "BANK_TRANSFER", "OUT", 9_000, "FAILED"))) == {}


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_nothing_is_found_in_an_empty_table(code, make_transactions):
    """Customers without transactions show no pattern, and break none."""
    assert find(code, make_transactions()) == {}


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_evidence_is_the_customers_own_and_meets_the_rule_by_itself(code, scored):
    """The transactions shown, and they alone, show the pattern again: the evidence is complete."""
    found = find(code, scored.transactions)
    by_customer = dict(scored.transactions.group_by("customer_id").agg("id").iter_rows())
    assert all(set(row["ids"]) <= set(by_customer[customer]) for customer, row in found.items())
    kept = [(customer, id_) for customer, row in found.items() for id_ in row["ids"]]
    if code == "LARGE_AMOUNT" or not kept:  # measured against the other customers
        return
    evidence = pl.DataFrame(kept, schema={"customer_id": pl.String, "id": pl.String}, orient="row")
    alone = scored.transactions.join(evidence, on=["customer_id", "id"], how="semi", maintain_order="left")
    again = find(code, alone)
    assert {customer: row["ids"] for customer, row in again.items()} == {c: row["ids"] for c, row in found.items()}


def test_default_configuration_declares_every_rule():
    """No rule is written and then forgotten."""
    assert set(DEFAULTS) == set(BY_CODE)
    assert all(set(DEFAULTS[code]) == set(rule.thresholds) for code, rule in BY_CODE.items())
