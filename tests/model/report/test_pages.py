"""The page: self-contained, escaped, reproducible, and complete if parts can't be computed."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import re
import subprocess
import sys
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest

from customer_risk.model.config import load_config
from customer_risk.model.evaluation.decisions import _explanation
from customer_risk.model.evaluation.intervals import METHOD, POINT
from customer_risk.model.evaluation.results import Interval, dumps
from customer_risk.model.policy.thresholds import Cuts
from customer_risk.model.report.card import card
from customer_risk.model.report.pages import SECTIONS, TEMPLATES, identity, imprint, page
from customer_risk.model.report.stated_limits import stated_limits

VOID = {"meta", "img"}
REMAKE = """
import hashlib, sys
from pathlib import Path
from customer_risk.model.evaluation.results import load
from customer_risk.model.report.pages import page
print(hashlib.sha256(page(load(Path(sys.argv[1]))).encode()).hexdigest())
"""


class Reader(HTMLParser):
    """Collects the page's tags and text, and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        """Note a tag that opens."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Close the tag opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Note text."""
        self.text.append(data)


@pytest.fixture(scope="module")
def read(page_of) -> Reader:
    """The parsed page."""
    reader = Reader()
    reader.feed(page_of)
    reader.close()
    return reader


def test_every_tag_is_closed(read):
    """The page is well-formed."""
    assert read.open == []


def test_the_page_loads_nothing(page_of, read):
    """The page has no script, style sheet, frame or external address."""
    assert {tag for tag, _ in read.tags}.isdisjoint({"script", "link", "iframe", "object", "embed", "base", "form"})
    for _, attributes in read.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "action", "data", "background", "poster"):
            address = attributes.get(name)
            assert address is None or address.startswith(("#", "data:image/"))
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"data:image/[^\"]+", "", page_of))


def test_a_content_security_policy_forbids_loading(read):
    """A content security policy forbids loading other content."""
    policies = [a["content"] for tag, a in read.tags if tag == "meta" and "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_text_is_escaped(page_of):
    """Markup in text of the results is shown as text."""
    assert "&lt;b&gt;not&lt;/b&gt;" in page_of
    assert "<b>" not in page_of
    assert "&lt;early&gt; is not the same as safe &amp; sound" in page_of


def test_every_section_is_in_the_contents(results, read):
    """The contents link to each section's anchor, in order, and every anchor exists once."""
    anchors = [make(results).anchor for make in SECTIONS]
    links = [a["href"] for tag, a in read.tags if tag == "a"]
    ids = [a["id"] for _, a in read.tags if "id" in a]
    assert links == [f"#{anchor}" for anchor in anchors]
    assert len(ids) == len(set(ids))
    assert set(anchors) <= set(ids)


def test_the_committee_reads_its_summary_first(results):
    """The first section is the summary for the committee."""
    assert SECTIONS[0](results).title == "Summary for the committee"


def test_every_picture_has_an_alternative_text(read):
    """Each picture has an alternative text and a numbered caption."""
    pictures = [a for tag, a in read.tags if tag == "img"]
    assert len(pictures) >= 15
    assert all(len(a["alt"]) > 30 for a in pictures)
    numbers = re.findall(r"Figure (\d+)\.", "".join(read.text))
    assert [int(number) for number in numbers] == list(range(1, len(pictures) + 1))


def test_tables_have_numbers_and_column_heads(read):
    """Each table has a numbered caption and column heads with a scope."""
    tables = sum(tag == "table" for tag, _ in read.tags)
    numbers = re.findall(r"Table (\d+)\.", "".join(read.text))
    assert [int(number) for number in numbers] == list(range(1, tables + 1))
    assert all(a.get("scope") in {"col", "row"} for tag, a in read.tags if tag == "th")


def test_the_report_is_small_enough_to_mail(page_of):
    """The page with its pictures has less than three million bytes."""
    assert len(page_of.encode()) < 3_000_000


def test_every_picture_can_be_decoded(read):
    """Every picture's bytes decode to an SVG or a PNG."""
    for _, attributes in (found for found in read.tags if found[0] == "img"):
        kind, content = attributes["src"].split(";base64,")
        start = base64.b64decode(content)[:200]
        assert start.startswith(b"\x89PNG") if kind.endswith("png") else b"<?xml" in start


def test_another_process_makes_the_same_bytes(results, page_of, tmp_path: Path):
    """Rendered again from evaluation.json, in another process with another hash seed, the page is the same."""
    saved = tmp_path / "evaluation.json"
    saved.write_bytes(dumps(results))
    made = subprocess.run(
        [sys.executable, "-c", REMAKE, str(saved)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "12345"},
    )
    assert made.stdout.strip() == hashlib.sha256(page_of.encode()).hexdigest()


def test_missing_parts_have_a_reason(bare, words_of):
    """Each missing optional part says that it isn't computable, and why."""
    said = "\n".join(words_of(make(bare)) for make in SECTIONS)
    reasons = re.findall(r"^(.+) Not computable: (.+)$", said, re.MULTILINE)
    assert {title for title, _ in reasons} >= {
        "Joining months", "Features by label", "Checks", "Paired differences", "Learning curve", "Time-ordered view",
        "Calibration by bin", "Other risk rates", "Decision curve", "Other costs", "Importance", "SHAP summary",
        "Selection", "Fairness", "Characteristics", "Other limits", "Times", "Trials", "Patterns", "Irregularities",
        "Example",
    }  # fmt: skip
    assert all(reason.endswith(".") for _, reason in reasons)


def test_a_run_without_segments_or_strategies_has_a_page(bare, words_of):
    """Segments, strategies, costs and features can be missing too."""
    replace = msgspec.structs.replace
    emptied = replace(
        bare,
        segments=replace(bare.segments, rows=()),
        decisions=replace(bare.decisions, strategies=(), costs={}),
        features=(),
        data=replace(bare.data, customers=0, suspended=0),
    )
    said = "\n".join(words_of(make(emptied)) for make in SECTIONS)
    assert "Strategies Not computable: the run compared no strategies." in said
    assert "Segments Not computable: the run has no segments." in said
    assert "Expected cost Not computable" in said
    assert "nothing about risk can be learned" in said


def test_the_head_has_organisation_and_dates(read):
    """Organisation, newest event, date of the commit, author and readers are in the head."""
    said = " ".join(" ".join(read.text).split())
    for text in (
        "Source of the data Bank of Examples; synthetic customers, made up by this program",
        "Newest event in the data 2024-09-30",
        "Date of the commit 2024-10-01", "Author A. Author", "Readers the risk committee",
    ):  # fmt: skip
        assert text in said


def test_the_head_says_what_is_not_stated(bare):
    """Without a configured organisation, author, readers, dated events or git, the head says so."""
    unknown = msgspec.structs.replace(bare.provenance, commit_date="unknown", synthetic=False)
    assert [value for _, value in imprint(msgspec.structs.replace(bare, provenance=unknown))] == [
        "not stated", "not stated", "unknown", "not stated", "not stated",
    ]  # fmt: skip


def test_uncommitted_changes_are_noted(results):
    """A shortened commit has the note that files differed from it."""
    dirty = msgspec.structs.replace(results.provenance, git_commit="c0ffee" + "0" * 34 + "-dirty")
    said = identity(msgspec.structs.replace(results, provenance=dirty))
    assert "commit c0ffee000000 with uncommitted changes, tables" in said


def test_synthetic_data_is_marked_on_screen_and_paper(page_of, bare):
    """A watermark, a badge beside the title and the footer mark synthetic tables, and only these."""
    real = page(msgspec.structs.replace(bare, provenance=msgspec.structs.replace(bare.provenance, synthetic=False)))
    for mark in ('class="watermark" aria-hidden="true">SYNTHETIC DATA', "stamp", "<footer>SYNTHETIC DATA."):
        assert mark in page_of.split("</style>", 1)[1]
        assert mark not in real.split("</style>", 1)[1]


def test_badges_are_part_of_captions(page_of):
    """A badge is part of the caption of its table or figure."""
    assert re.search(r"<caption>.*<span class=\"badge\">Default costs, not confirmed</span></span></caption>", page_of)
    assert re.search(r"<figcaption>.*<span class=\"badge\">Default costs, not confirmed</span></figcaption>", page_of)


def odd(results):
    """Return the results with one customer, repeat, fold, trial, feature, bin and gap, and with values near 0."""
    replace = msgspec.structs.replace
    tiny = Interval(estimate=0.0004, low=0.0001, high=0.004)
    return replace(
        results,
        folds=1,
        repeats=1,
        point_method=POINT,
        interval_method=METHOD.format(draws=1000),
        features=results.features[:1],
        selection=results.selection[:1],
        importance=tuple(replace(each, permutation=tiny) for each in results.importance[:1]),
        data=replace(results.data, customers=1, suspended=1, without_transactions=1, transactions=1),
        without_transactions=replace(results.without_transactions, customers=1, suspended=1),
        differences=tuple(replace(each, difference=tiny) for each in results.differences),
        calibration_bins=results.calibration_bins[:1],
        strata=tuple(replace(each, customers=1, suspended=1) for each in results.strata),
        fairness=tuple(dataclasses.replace(each, gaps=each.gaps[:1]) for each in results.fairness),
        tuning=replace(results.tuning, trials=results.tuning.trials[:1]),
        time_view=replace(
            results.time_view,
            parts=tuple(replace(part, customers=1, suspended=1, metrics=None) for part in results.time_view.parts[:2]),
        ),
        learning_curve=tuple(replace(point, customers=1.0, suspended=1.0) for point in results.learning_curve),
        segments=replace(
            results.segments,
            rows=tuple(replace(row, customers=1.0, suspended=1.0, share=0.004) for row in results.segments.rows),
        ),
        decisions=replace(
            results.decisions,
            customers_per_week=1.0,
            explanation=_explanation(
                msgspec.structs.replace(load_config().costs, strategy="recall", reviews_per_week=1),
                Cuts(0.3, 0.4),
                capacity=True,
            ),
            strategies=tuple(
                replace(
                    each,
                    saved_per_customer=tiny,
                    confusion=replace(each.confusion, true_positive=42.0, true_negative=1.0),
                )
                for each in results.decisions.strategies
            ),
        ),
        limits=stated_limits(np.array([True]), [date(2024, 9, 1)], 1, tiny, ()),
        example=replace(results.example, transactions=1, transaction_rows=1, features=1, missing=1),
    )


FAULTS = {
    "a plural after 1": r"(?<![\d.,])1 (?:customers|times|bins|features|gaps|trials|folds|rows|reviews|transactions"
    r"|parts|slices|patterns|threads|later parts|suspended customers|reason codes)\b",
    "a plural verb after 1": r"(?<![\d.,])1 (?:of (?:them|these) )?(?:were|have|are)\b",
    "a negative zero": "[-\N{MINUS SIGN}]0(?:\\.0+)?(?![\\d.])",
    "a difference of 0.00": r"\bby (?:EUR\xa0)?0\.0+\b",
    "a bound of 0 that excludes 0": r"(?:difference|saving) (?:EUR\xa0)?0\.0+ to [^)]*\)[^.]*excludes 0",
    "a number that isn't one": r"\bnan\b|\binf\b|\bNone\b",
    "a backtick": "`",
    "decimals of a whole count": r"\b42\.0\b",
    "a feature for all": r"\bOf (\d+) features, \1\b",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("which", ["usual", "odd", "bare"])
def test_sentences_agree_with_their_numbers(results, bare, words_of, which, fault):
    """Sentences agree with their numbers for ones, zeros, whole counts and values near 0."""
    found = {"usual": lambda: results, "odd": lambda: odd(results), "bare": lambda: bare}[which]()
    told = [words_of(make(found)) for make in SECTIONS] + [
        card(found).replace("`", "") if fault == "a backtick" else card(found)
    ]
    lines = [line for text in told for line in text.splitlines()]
    assert [line for line in lines if re.search(FAULTS[fault], line)] == []


def test_unusual_results_have_a_page_and_a_card(results):
    """The page and the model card of a single customer are rendered."""
    assert "1 customer" in page(odd(results))


@pytest.mark.parametrize(
    ("media", "rule"),
    [
        ("print", r"h2, h3, summary, caption, thead, thead tr \{ break-after: avoid; \}"),
        ("print", r"figure, caption, tr, li, \.note, \.tiles, \.imprint \{ break-inside: avoid; \}"),
        ("print", r'details:not\(\[open\]\) > summary::after \{ content: " \(not printed: open it '),
        ("screen and (max-width: 44rem)", r"figure img \{ max-width: none; min-width: min\(46rem, "),
        ("screen and (max-width: 44rem)", r"figure \.scroll"),
        ("", r"\nbody \{[^}]*overflow-wrap: break-word;"),
    ],
)
def test_the_style_fits_paper_and_narrow_screens(media, rule):
    """Pages don't cut rows, closed folds say that they aren't printed, and narrow screens scroll figures."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    part = style.split(f"@media {media}", 1)[1].split("@media", 1)[0] if media else style
    assert re.search(rule, part)
