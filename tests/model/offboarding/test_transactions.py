"""Collapses events into transactions for an analyst."""

from __future__ import annotations

import polars as pl
import pytest

from customer_risk.model.features import catalogue
from customer_risk.model.features.frame import feature_table
from customer_risk.model.offboarding.transactions import collapse
from customer_risk.model.scoring.model_features import FeatureSettings
from customer_risk.model.tables.cleaning import load_cohort


def test_transaction_has_its_final_state_and_amount_and_its_first_time(make_transactions):
    """PENDING, then COMPLETED for another amount, is one completed transaction of the later amount."""
    found = make_transactions(
        ("c", "t", 2, "CARDS", "OUT", 12.5, "COMPLETED"), ("c", "t", 1, "CARDS", "OUT", 10.0, "PENDING")
    )
    assert found.height == 1
    row = found.row(0, named=True)
    assert (row["state"], row["amount"], row["time"].hour) == ("COMPLETED", 12.5, 10)


def test_what_the_bank_does_is_left_out(make_transactions):
    """Excluded types, fees and rewards aren't the customer's own transactions."""
    found = make_transactions(
        ("c", "a", 0, "MANUAL", "OUT", 1),
        ("c", "b", 0, "PROCESSING_FEE", "OUT", 1),
        ("c", "d", 0, "USER_REWARD", "IN", 1),
        ("c", "e", 0, "CARDS", "OUT", 1),
    )
    assert found["id"].to_list() == ["e"]


def test_look_back_counts_from_the_customers_own_last_transaction(make_transactions):
    """The look-back ends at the customer's own last transaction, whatever other customers do."""
    found = make_transactions(
        ("c", "old", 0, "CARDS", "OUT", 1),
        ("c", "edge", 24, "CARDS", "OUT", 1),
        ("c", "last", 24 * 181, "CARDS", "OUT", 1),
        ("d", "alone", 0, "CARDS", "OUT", 1),
    )
    assert found["id"].to_list() == ["edge", "last", "alone"]


def test_only_the_latest_transactions_count(make_customers, make_events):
    """Beyond the greatest number of transactions, the oldest are left out."""
    events = make_events(*(("c", str(hour), hour, "CARDS", "OUT", 1) for hour in range(5)))
    few = FeatureSettings(lookback_days=180, max_transactions=2, excluded_types=())
    assert collapse(make_customers("c"), events, few)["id"].to_list() == ["3", "4"]


@pytest.mark.parametrize(("country", "hour"), [("FR", 10), ("PF", 23), ("NC", 20), (None, 9), ("ZZ", 9)])
def test_local_time_is_the_residences_standard_time(make_transactions, country, hour):
    """The local time is that of the residence; if the residence isn't known, it is UTC."""
    found = make_transactions(("c", "t", 0, "CARDS", "OUT", 1), country=country)
    assert found["local"][0].hour == hour
    assert found["time"][0].hour == 9


def test_money_in_comes_before_money_out_at_the_same_time(make_transactions):
    """Of two transactions at the same time, money in comes first."""
    found = make_transactions(("c", "a", 0, "CARDS", "OUT", 1), ("c", "b", 0, "BANK_TRANSFER", "IN", 1))
    assert found["direction"].to_list() == ["IN", "OUT"]


def test_customers_have_as_many_transactions_as_the_model_counts(synthetic, settings):
    """The analyst's transactions are those that the features are computed from, for every customer."""
    cohort = load_cohort(synthetic, "unlabelled")
    table = feature_table(cohort.customers, cohort.events, settings.for_kernel())
    counted = pl.DataFrame(
        {
            "customer_id": table.ids,
            "features": table.select(("transactions",)).values[:, 0],
            "most": table.select(("attempted_max",)).values[:, 0],
        }
    ).filter(pl.col("features") > 0)
    found = collapse(cohort.customers, cohort.events, settings)
    ours = found.group_by("customer_id").agg(pl.len().alias("n"), pl.col("amount").max())
    both = counted.join(ours, on="customer_id", how="full")
    assert both["features"].cast(pl.Int64).to_list() == both["n"].to_list()
    assert both["most"].to_list() == both["amount"].to_list()
    assert catalogue.BY_NAME["transactions"].unit == "count"


def test_no_event_makes_no_transaction(make_customers, make_events, settings):
    """Without events, the table is empty and has the same columns."""
    empty = collapse(make_customers("c"), make_events(), settings)
    assert empty.is_empty()
    assert empty.columns == ["customer_id", "id", "type", "direction", "state", "amount", "time", "local"]
