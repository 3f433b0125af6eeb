"""The provenance of a run."""

from __future__ import annotations

import dataclasses
import subprocess
from datetime import UTC, datetime

import polars as pl
import pytest

from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.training import provenance


@pytest.fixture(scope="module")
def cohort(synthetic):
    """The synthetic labelled cohort."""
    return load_cohort(synthetic, "labelled")


def test_the_commit_is_that_of_git():
    """The commit is git's, marked if tracked files differ from it."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    assert provenance.git_commit().removesuffix("-dirty") in {head, "unknown"}


def test_commit_and_date_are_unknown_outside_of_a_checkout(monkeypatch, tmp_path):
    """If git doesn't track this file, the commit and its date are unknown."""
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert (provenance.git_commit(), provenance.commit_date()) == ("unknown", "unknown")


def test_without_git_commit_and_date_are_unknown(monkeypatch):
    """Without git, the commit and its date are unknown."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert (provenance.git_commit(), provenance.commit_date()) == ("unknown", "unknown")


def test_the_commits_date_is_that_of_git():
    """The date is the day of the commit in UTC."""
    seconds = subprocess.run(
        ["git", "show", "-s", "--format=%ct", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    known = f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d}" if seconds else "unknown"
    assert provenance.commit_date() in {known, "unknown"}


def test_one_cent_changes_the_hash_of_the_data(cohort):
    """The same cohort has the same hash; one amount changed by a cent has another."""
    changed = dataclasses.replace(
        cohort,
        events=cohort.events.with_columns(
            pl.when(pl.int_range(pl.len()) == 0)
            .then(pl.col("amount") + 0.01)
            .otherwise(pl.col("amount"))
            .alias("amount")
        ),
    )
    assert provenance.data_hash(cohort) == provenance.data_hash(cohort)
    assert provenance.data_hash(changed) != provenance.data_hash(cohort)


def test_the_order_of_columns_does_not_matter(cohort):
    """Columns in another order are the same data."""
    turned = dataclasses.replace(cohort, events=cohort.events.select(reversed(cohort.events.columns)))
    assert provenance.data_hash(turned) == provenance.data_hash(cohort)


def test_the_libraries_that_numbers_depend_on_are_named():
    """Versions of Python, XGBoost and NumPy are recorded."""
    assert {"python", "xgboost-cpu", "numpy"} <= provenance.libraries().keys()
