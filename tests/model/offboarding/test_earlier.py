"""Final decisions of earlier runs."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from customer_risk.model.config import SignOff
from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding.decided_before import read_sign_offs
from customer_risk.model.offboarding.earlier import read_earlier
from customer_risk.model.offboarding.people import Person
from customer_risk.model.offboarding.scoring_run import write_run
from customer_risk.model.offboarding.signing import approve, sign
from customer_risk.model.offboarding.spreadsheet import csv_bytes

VERSION_1 = Path(__file__).parents[2] / "data" / "scoring-run-1"
NOW = datetime(2026, 1, 8, 15, 0, tzinfo=UTC)


@pytest.fixture
def make_run(scored, decided, tmp_path):
    """Make a run with decisions on some lines."""

    def make(name, *lines, kept="signed", made_at=5, rules=None, **cells):
        folder = tmp_path / name
        run = write_run(
            folder,
            scored,
            tables={},
            cohort="unlabelled",
            made_at=datetime(2026, 1, made_at, 12, 0, tzinfo=UTC),
            sign_off=rules or SignOff(),
        )
        filled = decided.with_columns(pl.lit(value).alias(cell) for cell, value in {"run": run.run, **cells}.items())
        filled = filled.with_columns(
            pl.when(pl.col("line").is_in(lines)).then(pl.col(cell)).otherwise(pl.lit("")).alias(cell)
            for cell in ("decision", "name", "date", "note")
        )
        path = tmp_path / f"{name}.csv"
        path.write_bytes(csv_bytes(filled))
        sign(path, folder, folder / kept, now=NOW, by=Person("registrar"), partial=True)
        return folder

    return make


def test_decisions_come_with_the_scores_they_were_made_on(make_run, decided, run_record):
    """Decision, person, date and note, and the customer's row of the run's scores; open lines are left out."""
    folder = make_run("a", 1, 2)
    found = read_earlier([folder])
    scores = pl.read_parquet(folder / "scores.parquet")
    row = scores.row(by_predicate=pl.col("customer_id") == decided["customer_id"][0], named=True)
    one = found[decided["customer_id"][0]]
    assert set(found) == set(decided["customer_id"][:2])
    assert (one.decision, one.name, one.date) == ("keep", "Ann Example", "2026-01-06")
    assert (one.note, one.verified, one.approver) == ("Spoke with the customer", False, "")
    assert (one.probability, one.segment, one.transactions) == (row["probability"], "high", row["transactions"])
    assert "; ".join(one.patterns) == row["patterns"]
    assert "; ".join(one.reasons) == row["reasons"]
    assert (one.first_transaction, one.last_transaction) == (row["first_transaction"], row["last_transaction"])
    assert one.model_version == run_record.bundle


@pytest.mark.parametrize("order", [1, -1])
def test_newest_decision_counts(make_run, decided, order):
    """The latest date counts, and for equal dates the latest run, in any order of the folders."""
    folders = [
        make_run("a", 1, 2, 3, decision="off-board", date="2026-01-07"),
        make_run("b", 1, 2, made_at=6, decision="keep", date="2026-01-07"),
        make_run("c", 1, made_at=6, decision="review-again", date="2026-01-06"),
    ]
    found = read_earlier(folders[::order])
    assert [found[customer].decision for customer in decided["customer_id"][:3]] == ["keep", "keep", "off-board"]


def test_waiting_decisions_are_left_out(make_run):
    """A decision that needs an approval isn't final before it; then its approver is named."""
    folder = make_run("a", 1, 2, rules=SignOff(second_approver=True))
    assert read_earlier([folder]) == {}
    approve(folder, folder / "signed", now=NOW, by=Person("Bob Example"))
    found = read_earlier([folder])
    assert {one.approver for one in found.values()} == {"Bob Example"}
    assert len(found) == 2


def test_folder_of_sign_offs_is_accepted(make_run):
    """The folder `signed` gives the same decisions as the run's folder, and both together give them once."""
    folder = make_run("a", 1, 2)
    assert read_earlier([folder / "signed"]) == read_earlier([folder]) == read_earlier([folder, folder / "signed"])


def test_sign_offs_kept_elsewhere_need_the_runs_folder(make_run):
    """A sign-off is refused if the folder of its run, which has the scores, isn't given."""
    with_run = make_run("a", 1)
    folder = make_run("b", 2, kept="../kept", made_at=6)
    with pytest.raises(SignOffError, match="whose folder isn't given"):
        read_earlier([folder.parent / "kept"])
    with pytest.raises(SignOffError, match="b has no sign-off"):
        read_earlier([with_run, folder])
    for folders in ([folder.parent / "kept", folder], [folder, folder.parent / "kept"]):
        found = read_sign_offs(folders)
        assert len(found.decisions) == 1
        assert list(found.receipts) == [str(folder.parent / "kept")]


def test_run_of_schema_version_1_is_read():
    """The sign-offs of an earlier release are read with its scores."""
    found = read_earlier([VERSION_1])
    assert len(found) == 4
    assert {one.run for one in found.values()} == {next(iter(found.values())).run}
    assert all(one.patterns and one.segment == "high" for one in found.values())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("run.json", "was altered"),
        ("scores.parquet", "was altered after the run"),
        ("signed/0001.receipt.json", "its decisions aren't those that were signed"),
        ("signed/*.csv", "was altered or removed"),
    ],
)
def test_tampered_folder_is_refused(tmp_path, name, problem):
    """A changed byte is detected in the run's record, the scores, the receipts and the copies."""
    folder = shutil.copytree(VERSION_1, tmp_path / "run")
    path = next(folder.glob(name))
    path.write_bytes(path.read_bytes().replace(b"2026-01-0", b"2026-02-0") + b" " * (path.suffix != ".json"))
    with pytest.raises(SignOffError, match=problem):
        read_earlier([folder])


def test_folder_without_sign_off_is_refused(scoring_run, tmp_path):
    """The message names a run without decisions, and a folder without a run."""
    for folder in (scoring_run, tmp_path):
        with pytest.raises(SignOffError, match=f"{folder.name} has no sign-off"):
            read_earlier([folder])
