"""The folder of a scoring run."""

from __future__ import annotations

import csv
import hashlib
import re
from html.parser import HTMLParser

import polars as pl
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.model.offboarding import record
from customer_risk.model.offboarding.scoring_run import check_place, write_run
from customer_risk.model.offboarding.workbook import SIGN_OFF

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
    """The time of the session's run."""
    return run_record.made_at


def test_folder_has_every_file_and_their_hashes(scoring_run, run_record):
    """The record names each file by its sha256."""
    assert {path.name for path in scoring_run.iterdir()} == FILES
    for name, digest in run_record.files.items():
        assert hashlib.sha256((scoring_run / name).read_bytes()).hexdigest() == digest
    assert set(run_record.files) == FILES - {"run.json"}


def test_csv_and_parquet_have_the_same_scores(scoring_run, scored):
    """Both files have a row for each customer and the same probabilities to the last digit."""
    binary = pl.read_parquet(scoring_run / "scores.parquet")
    text = pl.read_csv(scoring_run / "scores.csv")
    assert binary.equals(scored.table)
    assert text["customer_id"].to_list() == binary["customer_id"].to_list()
    assert text["probability"].to_list() == binary["probability"].to_list()
    assert set(text["model_version"]) == {scored.bundle.version}


def test_lists_have_the_customers_whom_the_scores_list(scoring_run):
    """Each list has the customers whom the scores put on it; Low customers are on no list."""
    scores = pl.read_parquet(scoring_run / "scores.parquet")
    for name, wanted in (("offboarding", {"off-boarding"}), ("review", set(scores["list"]) - {"off-boarding", ""})):
        listed = pl.read_parquet(scoring_run / f"{name}.parquet")
        assert set(listed["list"]) == wanted
        assert set(listed["customer_id"]) == set(scores.filter(pl.col("list").is_in(wanted))["customer_id"])
        assert listed["line"].to_list() == list(range(1, listed.height + 1))


def test_review_list_begins_with_the_high_ones(scoring_run):
    """High customers come before Medium customers."""
    segments = pl.read_parquet(scoring_run / "review.parquet")["segment"].to_list()
    assert segments == sorted(segments)
    assert {"high", "medium"} == set(segments)


def test_sign_off_fields_are_empty_and_only_on_the_off_boarding_list(scoring_run, made):
    """The off-boarding list has empty sign-off cells; the review list has no such columns."""
    assert made.select(SIGN_OFF).unique().rows() == [("", "", "", "")]
    assert not set(SIGN_OFF) & set(pl.read_parquet(scoring_run / "review.parquet").columns)
    with (scoring_run / "offboarding.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["customer_id"] for row in rows] == made["customer_id"].to_list()
    assert {row["decision"] for row in rows} == {""}


def test_each_line_has_all_facts(made):
    """A line has the reasons with values and places, the evidence, what lowers the score, and the certainty."""
    for row in made.iter_rows(named=True):
        assert "% of customers)" in row["reasons"]
        assert "Transactions " in row["evidence"]
        assert row["speaks_against"]
        assert "another random sample of the training customers" in row["certainty"]
        assert 0 <= row["low"] <= row["high"] <= 1


def test_cells_stay_short_enough_for_a_spreadsheet(made):
    """No cell is longer than Excel's limit of 32,767 characters; long evidence names its file."""
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
    """The pages have no scripts and no external resources."""
    page = parse(scoring_run / name)
    assert "script" not in page.tags
    assert all(address.startswith("#") for address in page.refers)
    assert not re.search(r"url\(|@import|https?://", (scoring_run / name).read_text())


def test_off_boarding_page_has_a_card_for_each_line(scoring_run, made):
    """Each customer has a card with all headings, and the page says who decides."""
    page = parse(scoring_run / "offboarding.html")
    words = " ".join(" ".join(page.words).split())
    assert page.tags.count("article") == made.height
    assert all(customer in words for customer in made["customer_id"])
    for heading in ("What raises the score", "Patterns in the transactions", "What lowers the score or", "How certain"):
        assert words.count(heading) == made.height
    assert "This list is a proposal. A named person decides on each line" in words


def test_pages_say_proposed_and_never_that_it_was_done(scoring_run):
    """No text says that a customer was off-boarded, because a person decides."""
    text = (scoring_run / "offboarding.html").read_text() + (scoring_run / "review.html").read_text()
    assert "proposed for off-boarding" in text
    assert not re.search(r"\b(was|were|been|is|are|will be) off-boarded", text)


@pytest.mark.parametrize("sign", ["=", "\uff1d", "\u202e ="])
def test_what_customers_may_write_cannot_become_html_or_a_formula(scored, made_at, tmp_path, sign):
    """Ids with tags, formulas or marks of direction stay text on the page and in the spreadsheet."""
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
    """Two runs with the same time have the same bytes."""
    write_run(tmp_path / "again", scored, tables=run_record.tables, cohort="unlabelled", made_at=run_record.made_at)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (scoring_run / name).read_bytes()


def test_record_counts_the_customers_of_the_lists(run_record, scored, made):
    """The counts of the record are those of the table and the lists."""
    counts = run_record.counts
    assert counts["customers"] == scored.table.height == counts["low"] + counts["medium"] + counts["high"]
    assert counts["high"] == counts["offboarding"] + counts["review_high"]
    assert counts["offboarding"] == made.height
    assert run_record.traps == scored.cohort.counts


def test_crash_half_way_leaves_nothing(scored, made_at, tmp_path, monkeypatch):
    """A failed write leaves no folder."""

    def fail(*_):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(record, "encode", fail)
    with pytest.raises(RuntimeError, match="disk is full"):
        write(tmp_path / "run", scored, made_at)
    assert list(tmp_path.iterdir()) == []


def test_earlier_run_is_replaced_only_by_force(scored, made_at, tmp_path):
    """An earlier run is replaced only with `force`, with all its files."""
    write(tmp_path / "run", scored, made_at)
    (tmp_path / "run" / "note.txt").write_text("mine")
    with pytest.raises(ConfigError, match="replace it with --force"):
        write(tmp_path / "run", scored, made_at)
    assert (tmp_path / "run" / "note.txt").exists()
    write(tmp_path / "run", scored, made_at, force=True)
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [("out/signed/list.csv", "never replaced"), ("out/thesis.doc", "no scoring run wrote"), ("out", "is a file")],
)
def test_folder_that_is_not_a_run_is_never_replaced(tmp_path, name, problem):
    """`force` replaces neither signed-off lists, nor files that no run wrote, nor a file."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("years of work")
    with pytest.raises(ConfigError, match=problem):
        check_place(tmp_path / "out", force=True)


@pytest.mark.parametrize("there", [True, False])
def test_absent_or_empty_folder_is_free(tmp_path, there):
    """An absent or empty folder can be written."""
    if there:
        (tmp_path / "out").mkdir()
    check_place(tmp_path / "out", force=False)


def test_run_without_a_listed_customer_has_empty_lists(scored, made_at, tmp_path, write_tiny_bundle, corroboration):
    """A run without listed customers has empty lists, and the page says so."""
    from customer_risk.model.offboarding.scored import score_cohort
    from customer_risk.model.scoring.bundle import load_bundle

    write_tiny_bundle(tmp_path / "bundle", medium=1.0, high=1.0)
    everyone_low = score_cohort(load_bundle(tmp_path / "bundle"), scored.cohort, corroboration)
    write(tmp_path / "run", everyone_low, made_at)
    assert pl.read_parquet(tmp_path / "run" / "offboarding.parquet").is_empty()
    assert (tmp_path / "run" / "offboarding.csv").read_text().startswith("line,customer_id,")
    assert "No customer is on this list" in (tmp_path / "run" / "offboarding.html").read_text()


def test_progress_counts_the_listed(scored, made_at, tmp_path):
    """The last call of `tick` has the number of all listed customers."""
    ticks = []
    write(tmp_path / "run", scored, made_at, tick=lambda done, everyone: ticks.append((done, everyone)))
    assert ticks[-1][0] == ticks[-1][1] == len(ticks)
