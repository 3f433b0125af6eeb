"""The features of all customers of a cohort."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from customer_risk.model.errors import FeatureError
from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.frame import FeatureTable, encode_frame, encode_with_ids, feature_table
from customer_risk.model.features.kernel.compute import compute
from customer_risk.model.tables.cleaning import load_cohort
from tests.model.features.encoding import encode_customer

TABLE = FeatureTable(("a", "b", "c"), ("x", "y"), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))


def test_features_can_be_selected_in_any_order() -> None:
    """Columns are in the requested order."""
    picked = TABLE.select(["y"])
    assert (picked.ids, picked.names, picked.values.tolist()) == (("a", "b", "c"), ("y",), [[2.0], [4.0], [6.0]])


def test_customers_can_be_taken_in_any_order() -> None:
    """Rows are in the requested order."""
    picked = TABLE.rows([2, 0])
    assert (picked.ids, picked.values.tolist()) == (("c", "a"), [[5.0, 6.0], [1.0, 2.0]])


def test_unknown_features_are_named() -> None:
    """The error names the unknown features."""
    with pytest.raises(FeatureError, match="z1, z2"):
        TABLE.select(["x", "z1", "z2"])


@pytest.mark.compiled
@pytest.mark.parametrize("cohort", ["labelled", "unlabelled"])
def test_tables_and_requests_agree_to_the_bit(synthetic: Path, cohort: Any) -> None:
    """A customer of the tables has the same bits when encoded as a request is."""
    tables = load_cohort(synthetic, cohort)
    table = feature_table(tables.customers, tables.events, threads=2)
    assert table.ids == tuple(tables.customers["customer_id"])
    assert table.names == NAMES
    events = tables.events.partition_by("customer_id", as_dict=True, include_key=False)
    for number, profile in enumerate(tables.customers.head(80).iter_rows(named=True)):
        own = events.get((profile["customer_id"],), pl.DataFrame()).to_dicts()
        assert compute(encode_customer(profile, own))[0].tobytes() == table.values[number].tobytes()


def test_events_of_other_customers_are_left_out(row: Any, profile: Any, tables_of: Any) -> None:
    """Events of customers who aren't in the table of customers are left out."""
    customers, events = tables_of([(profile, [row(0)]), (profile, [row(1), row(2)])])
    encoded = encode_frame(customers.head(1), events)
    assert encoded.offsets.tolist() == [0, 1]


def test_absent_profile_columns_are_missing_values(row: Any, tables_of: Any, profile: Any) -> None:
    """Profile columns that a table lacks are missing values."""
    customers, events = tables_of([(profile, [row(0)])])
    encoded = encode_frame(customers.select("customer_id"), events)
    assert encoded.profile.tolist() == encode_customer({}, []).profile.tolist()


@pytest.mark.parametrize("amount", [None, -1.0, float("nan"), float("inf"), 1e13])
def test_invalid_amounts_are_refused(row: Any, tables_of: Any, profile: Any, amount: float | None) -> None:
    """Amounts that are missing, negative, not finite or too large are refused with their count."""
    customers, events = tables_of([(profile, [row(0), row(1, amount)])])
    with pytest.raises(FeatureError, match="1 amounts"):
        encode_frame(customers, events)


def test_unknown_categories_are_other_in_tables_and_requests(row: Any, tables_of: Any, profile: Any) -> None:
    """An unknown category has the same code from a table and from a request."""
    odd = profile | {"occupation": "ASTRONAUT", "country_of_residence": "", "date_of_birth": dt.date(1950, 1, 1)}
    rows = [row(0, type="TELEPATHY", state="LOST", direction="ROUND")]
    encoded = encode_frame(*tables_of([(odd, rows)]))
    single = encode_customer(odd, rows)
    assert encoded.profile.tolist() == single.profile.tolist()
    assert (encoded.type[0], encoded.state[0], encoded.direction[0]) == (9, 6, 2)


def test_the_number_of_an_id_is_its_position_in_the_ids(row: Any, profile: Any, tables_of: Any) -> None:
    """The number of an id in the encoded columns is its place among the ids, also if two customers share it."""
    customers, events = tables_of([(profile, [row(2), row(0)]), (profile, [row(1), row(0)])])
    encoded, ids = encode_with_ids(customers, events)
    assert ids.gather(encoded.ids).to_list() == events.sort("customer_id", maintain_order=True)["id"].to_list()
    assert ids.n_unique() == len(ids)
    assert encode_frame(customers, events).ids.tolist() == encoded.ids.tolist()


def test_cohort_without_events_has_no_ids(profile: Any, tables_of: Any) -> None:
    """Customers without transactions are also encoded."""
    customers, events = tables_of([(profile, [])])
    encoded, ids = encode_with_ids(customers, events)
    assert (encoded.offsets.tolist(), ids.to_list()) == ([0, 0], [])
