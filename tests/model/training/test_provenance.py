"""Where a run came from."""

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


def test_the_commit_is_gits():
    """The commit is what git says, marked where tracked files differ from it."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    assert provenance.git_commit().removesuffix("-dirty") in {head, "unknown"}


def test_outside_of_a_checkout_the_commit_is_unknown(monkeypatch, tmp_path):
    """Where git knows nothing of this file, the commit is unknown."""
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.git_commit() == "unknown"


def test_without_git_the_commit_is_unknown(monkeypatch):
    """A machine without git trains all the same."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert provenance.git_commit() == "unknown"


def test_the_commits_date_is_gits():
    """The date is the commit's own day in UTC, whatever day it is now."""
    seconds = subprocess.run(
        ["git", "show", "-s", "--format=%ct", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    known = f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d}" if seconds else "unknown"
    assert provenance.commit_date() in {known, "unknown"}


def test_outside_of_a_checkout_the_date_is_unknown(monkeypatch, tmp_path):
    """Outside of a git checkout, the commit's date is unknown."""
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.commit_date() == "unknown"


def test_without_git_the_date_is_unknown(monkeypatch):
    """Without git, the commit's date is unknown, never that of the run."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert provenance.commit_date() == "unknown"


def test_one_cent_changes_the_datas_hash(cohort):
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
