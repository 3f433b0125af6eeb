"""Random UUIDs, and the mark of synthetic customers."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest

from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.synthetic import synthesize
from customer_risk.model.tables.synthetic.identifiers import are_synthetic, customer_ids, uuids


def test_ids_are_different_uuids_of_version_4() -> None:
    """Each id is a UUID of version 4 to Python, and no id repeats."""
    made = uuids(np.random.default_rng(1), 500)
    assert all(str(uuid.UUID(text)) == text for text in made)
    assert {uuid.UUID(text).version for text in made} == {4}
    assert {uuid.UUID(text).variant for text in made} == {uuid.RFC_4122}
    assert made.n_unique() == 500


def test_the_seed_decides_the_ids() -> None:
    """The same seed gives the same ids; a longer series begins with those of a shorter one."""
    few, many = uuids(np.random.default_rng(1), 3), uuids(np.random.default_rng(1), 9)
    assert many[:3].equals(few)


def test_no_ids_are_an_empty_column() -> None:
    """Zero ids are an empty column of text."""
    assert uuids(np.random.default_rng(1), 0).to_list() == []


def test_ids_of_synthetic_customers_have_the_mark() -> None:
    """Ids of synthetic customers are different UUIDs of version 8 with a fixed third group."""
    made = customer_ids(np.random.default_rng(1), 500)
    assert {(uuid.UUID(text).version, text[14:18]) for text in made} == {(8, "8fab")}
    assert made.n_unique() == 500
    assert are_synthetic(made)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_synthetic_tables_are_recognised_after_writing_and_reading(
    tmp_path: Path, kind: Literal["csv", "parquet"]
) -> None:
    """Synthetic tables are recognised after they were written and read again, in each format."""
    synthesize(tmp_path, customers=30, seed=3, risk_rate=0.2, format=kind)
    for cohort in ("labelled", "unlabelled"):
        found = load_cohort(tmp_path, cohort)
        assert are_synthetic(pl.DataFrame(found.customers)["customer_id"])


@pytest.mark.parametrize(
    "ids",
    [
        [],
        [None],
        ["00000000-0000-4000-8000-000000000000"],
        ["00000000-0000-8fab-8000-00000000000"],
        ["00000000-0000-8fab-8000-000000000000", "c-1"],
        ["8fab"],
        ["17"],
    ],
)
def test_other_customers_are_not_called_synthetic(ids: list[str | None]) -> None:
    """Random ids, numbers, and tables in which one customer lacks the mark aren't synthetic."""
    assert not are_synthetic(pl.Series(ids, dtype=pl.String))


def test_the_mark_is_recognised_in_capitals() -> None:
    """A database that writes UUIDs in capitals doesn't remove the mark."""
    assert are_synthetic(customer_ids(np.random.default_rng(1), 3).str.to_uppercase())


def test_real_customers_are_not_called_synthetic(hometask: Path) -> None:
    """No customer of real tables has the mark."""
    users = pl.read_csv(hometask / "users_labelled.csv", columns=["user_id"])["user_id"]
    assert not are_synthetic(users)
    assert not any(are_synthetic(users.slice(place, 1)) for place in range(len(users)))
