"""A scoring run's folder."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from html.parser import HTMLParser

import polars as pl
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.model.offboarding import record
from customer_risk.model.offboarding.cells import SIGN_OFF
from customer_risk.model.offboarding.scoring_run import check_place, write_run

FILES = {
    "scores.csv",
    "scores.parquet",
    "segments.csv",
    "segments.html",
    "offboarding.csv",
    "offboarding.parquet",
    "offboarding.xlsx",
    "offboarding.html",
    "review.csv",
    "review.parquet",
    "review.html",
    "evidence.csv",
    "evidence.parquet",
    "run.json",
}


def write(folder, scored, made_at, **options):
    """Write the synthetic run to a folder."""
    return write_run(folder, scored, tables={}, cohort="unlabelled", made_at=made_at, **options)


@pytest.fixture
def made_at(run_record):
    """When the session's run was made."""
    return run_record.made_at


def test_folder_holds_every_file_and_their_hashes(scoring_run, run_record):
    """The record names each file by its sha256."""
    assert {path.name for path in scoring_run.iterdir()} == FILES
    for name, digest in run_record.files.items():
        assert hashlib.sha256((scoring_run / name).read_bytes()).hexdigest() == digest
    assert set(run_record.files) == FILES - {"run.json"}


def test_csv_and_parquet_hold_the_same_scores(scoring_run, scored):
    """A row for each customer in both, probabilities to the last digit."""
    binary = pl.read_parquet(scoring_run / "scores.parquet")
    text = pl.read_csv(scoring_run / "scores.csv")
    assert binary.equals(scored.table)
    assert text["customer_id"].to_list() == binary["customer_id"].to_list()
    assert text["probability"].to_list() == binary["probability"].to_list()
    assert set(text["model_version"]) == {scored.bundle.version}


def test_lists_hold_who_the_scores_list(scoring_run):
    """Off-boarding and review are told apart, and nobody low is on either."""
    scores = pl.read_parquet(scoring_run / "scores.parquet")
    for name, wanted in (("offboarding", {"off-boarding"}), ("review", set(scores["list"]) - {"off-boarding", ""})):
        listed = pl.read_parquet(scoring_run / f"{name}.parquet")
        assert set(listed["list"]) == wanted
        assert set(listed["customer_id"]) == set(scores.filter(pl.col("list").is_in(wanted))["customer_id"])
        assert listed["line"].to_list() == list(range(1, listed.height + 1))


def test_review_list_begins_with_the_high_ones(scoring_run):
    """A reviewer who runs out of time has seen the highest."""
    segments = pl.read_parquet(scoring_run / "review.parquet")["segment"].to_list()
    assert segments == sorted(segments)
    assert {"high", "medium"} == set(segments)


def test_sign_off_fields_are_empty_and_only_on_the_off_boarding_list(scoring_run, made):
    """A human fills them in; a review proposes nothing to sign."""
    assert made.select(SIGN_OFF).unique().rows() == [("", "", "", "")]
    assert not set(SIGN_OFF) & set(pl.read_parquet(scoring_run / "review.parquet").columns)
    with (scoring_run / "offboarding.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["customer_id"] for row in rows] == made["customer_id"].to_list()
    assert {row["decision"] for row in rows} == {""}


def test_each_line_stands_alone(made):
    """Reasons with values and places, evidence with transactions, what speaks against, how sure."""
    for row in made.iter_rows(named=True):
        assert "% of customers)" in row["reasons"]
        assert "Transactions " in row["evidence"]
        assert row["speaks_against"]
        assert "another random sample of the training customers" in row["certainty"]
        assert 0 <= row["low"] <= row["high"] <= 1


def test_cells_stay_short_enough_for_a_spreadsheet(made):
    """Excel cuts a cell behind 32,767 characters; long evidence points to its file."""
    assert made.select(pl.col(pl.String).str.len_chars().max()).transpose().to_series().max() < 32_767
    assert made["evidence"].str.contains(r"and \d+ more in evidence\.csv").any()


def test_evidence_file_names_transactions_of_the_tables(scoring_run, scored):
    """Every transaction shown is one of the customer's events."""
    shown = pl.read_parquet(scoring_run / "evidence.parquet")
    events = scored.cohort.events.select("customer_id", "id")
    assert shown.join(events, on=["customer_id", "id"], how="anti").is_empty()
    assert shown.height == pl.read_csv(scoring_run / "evidence.csv", infer_schema=False).height


class Page(HTMLParser):
    """Collects what a page refers to and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.refers: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        """Note tags and addresses."""
        self.tags.append(tag)
        self.refers += [value for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data):
        """Note words."""
        self.words.append(data)


def parse(path):
    """Read a page."""
    page = Page()
    page.feed(path.read_text())
    return page


@pytest.mark.parametrize("name", ["offboarding.html", "review.html", "segments.html"])
def test_pages_are_self_contained(scoring_run, name):
    """No script, and nothing fetched from anywhere."""
    page = parse(scoring_run / name)
    assert "script" not in page.tags
    assert all(address.startswith("#") for address in page.refers)
    assert not re.search(r"url\(|@import|https?://", (scoring_run / name).read_text())


def test_off_boarding_page_has_a_card_for_each_line(scoring_run, made):
    """What an analyst needs is on each card, and the page says who decides."""
    page = parse(scoring_run / "offboarding.html")
    words = " ".join(" ".join(page.words).split())
    assert page.tags.count("article") == made.height
    assert all(customer in words for customer in made["customer_id"])
    for heading in ("What raises the score", "Patterns in the transactions", "What lowers the score or", "How certain"):
        assert words.count(heading) == made.height
    assert "This list is a proposal. A named person decides on each line" in words


def test_pages_say_proposed_and_never_that_it_was_done(scoring_run):
    """No wording claims a decision that only a human makes."""
    text = (scoring_run / "offboarding.html").read_text() + (scoring_run / "review.html").read_text()
    assert "proposed for off-boarding" in text
    assert not re.search(r"\b(was|were|been|is|are|will be) off-boarded", text)


@pytest.mark.parametrize("sign", ["=", "\uff1d", "\u202e ="])
def test_what_customers_may_write_cannot_become_html_or_a_formula(scored, made_at, tmp_path, sign):
    """Ids with tags, formulas or marks of direction are text on the page and in the spreadsheet."""
    import dataclasses

    nasty = f"{sign}<script>alert(1)</script>"
    victim = scored.table.filter(pl.col("list") == "off-boarding")["customer_id"][0]
    rename = pl.col("customer_id").replace(victim, nasty)
    cohort = dataclasses.replace(
        scored.cohort,
        customers=scored.cohort.customers.with_columns(rename),
        events=scored.cohort.events.with_columns(rename),
    )
    parts = {part: getattr(scored, part).with_columns(rename) for part in ("transactions", "patterns", "table")}
    write(tmp_path / "run", dataclasses.replace(scored, cohort=cohort, **parts), made_at)
    page = (tmp_path / "run" / "offboarding.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert pl.read_parquet(tmp_path / "run" / "offboarding.parquet")["customer_id"].str.contains(f"^{sign}<").any()
    with (tmp_path / "run" / "offboarding.csv").open(newline="") as file:
        assert "'" + nasty in {row["customer_id"] for row in csv.DictReader(file)}


def test_same_cohort_and_moment_give_the_same_files(scored, scoring_run, run_record, tmp_path):
    """Nothing but the time of making differs between two runs."""
    write_run(tmp_path / "again", scored, tables=run_record.tables, cohort="unlabelled", made_at=run_record.made_at)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (scoring_run / name).read_bytes()


def test_record_counts_what_the_lists_hold(run_record, scored, made):
    """The summary is the table's own count."""
    counts = run_record.counts
    assert counts["customers"] == scored.table.height == counts["low"] + counts["medium"] + counts["high"]
    assert counts["high"] == counts["offboarding"] + counts["review_high"]
    assert counts["offboarding"] == made.height
    assert run_record.traps == scored.cohort.counts


def test_crash_half_way_leaves_nothing(scored, made_at, tmp_path, monkeypatch):
    """The folder appears whole or not at all."""

    def fail(*_):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(record, "encode", fail)
    with pytest.raises(RuntimeError, match="disk is full"):
        write(tmp_path / "run", scored, made_at)
    assert list(tmp_path.iterdir()) == []


def test_earlier_run_is_replaced_only_by_force(scored, made_at, tmp_path):
    """A run isn't lost by a repeated command."""
    write(tmp_path / "run", scored, made_at)
    (tmp_path / "run" / "note.txt").write_text("mine")
    with pytest.raises(ConfigError, match="replace it with --force"):
        write(tmp_path / "run", scored, made_at)
    assert (tmp_path / "run" / "note.txt").exists()
    write(tmp_path / "run", scored, made_at, force=True)
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_signed_off_list_is_never_replaced(scored, made_at, tmp_path):
    """Force doesn't reach what people signed."""
    write(tmp_path / "run", scored, made_at)
    (tmp_path / "run" / "signed").mkdir()
    with pytest.raises(ConfigError, match="never replaced"):
        check_place(tmp_path / "run", force=True)


def test_foreign_folder_is_never_replaced(tmp_path):
    """Force doesn't reach folders that no run wrote."""
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(ConfigError, match="no scoring run wrote"):
        check_place(tmp_path, force=True)


def test_file_in_the_folders_place_is_refused(tmp_path):
    """A file is not written over."""
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ConfigError, match="is a file"):
        check_place(tmp_path / "out", force=True)


@pytest.mark.parametrize("there", [True, False])
def test_absent_or_empty_folder_is_free(tmp_path, there):
    """There is nothing to lose."""
    if there:
        (tmp_path / "out").mkdir()
    check_place(tmp_path / "out", force=False)


def test_run_without_a_listed_customer_says_so(scored, made_at, tmp_path, write_tiny_bundle, corroboration):
    """Empty lists are lists, too."""
    from customer_risk.model.offboarding.scored import score_cohort
    from customer_risk.model.scoring.bundle import load_bundle

    write_tiny_bundle(tmp_path / "bundle", medium=1.0, high=1.0)
    everyone_low = score_cohort(load_bundle(tmp_path / "bundle"), scored.cohort, corroboration)
    write(tmp_path / "run", everyone_low, made_at)
    assert pl.read_parquet(tmp_path / "run" / "offboarding.parquet").is_empty()
    assert (tmp_path / "run" / "offboarding.csv").read_text().startswith("line,customer_id,")
    assert "No customer is on this list" in (tmp_path / "run" / "offboarding.html").read_text()


def test_progress_counts_the_listed(scored, made_at, tmp_path):
    """The last tick says that all are done."""
    ticks = []
    write(tmp_path / "run", scored, made_at, tick=lambda done, everyone: ticks.append((done, everyone)))
    assert ticks[-1][0] == ticks[-1][1] == len(ticks)


def test_record_is_json_with_the_declared_rules(scoring_run, scored):
    """An auditor reads what was declared when the list was made."""
    said = json.loads((scoring_run / "run.json").read_text())
    assert said["corroboration"] == scored.criteria.rule.patterns
    assert said["bundle"] == scored.bundle.version
