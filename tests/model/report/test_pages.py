"""The page as a whole: self-contained, escaped, repeatable, and whole where parts can't be computed."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from customer_risk.model.evaluation.results import dumps
from customer_risk.model.report.pages import SECTIONS

VOID = {"meta", "img"}
REMAKE = """
import hashlib, sys
from pathlib import Path
from customer_risk.model.evaluation.results import load
from customer_risk.model.report.pages import page
print(hashlib.sha256(page(load(Path(sys.argv[1]))).encode()).hexdigest())
"""


class Reader(HTMLParser):
    """Collects the page's tags, text and addresses, and whether every tag is closed in turn."""

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
    """The page, read as a browser would."""
    reader = Reader()
    reader.feed(page_of)
    reader.close()
    return reader


def test_every_tag_is_closed(read):
    """The page is well-formed: tags close in the order in which they opened."""
    assert read.open == []


def test_the_page_loads_nothing(page_of, read):
    """No script, no style sheet, no frame, no address but of the page itself and of pictures inside it."""
    assert {tag for tag, _ in read.tags}.isdisjoint({"script", "link", "iframe", "object", "embed", "base", "form"})
    for _, attributes in read.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "action", "data", "background", "poster"):
            address = attributes.get(name)
            assert address is None or address.startswith(("#", "data:image/"))
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"data:image/[^\"]+", "", page_of))


def test_the_browser_is_told_to_load_nothing(read):
    """A content security policy forbids what the page doesn't do anyway."""
    policies = [a["content"] for tag, a in read.tags if tag == "meta" and "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_text_is_escaped(page_of):
    """Markup in a note or a meaning is shown as text, never read as markup."""
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


def test_every_picture_has_words(read):
    """Each picture has an alternative text and a numbered caption."""
    pictures = [a for tag, a in read.tags if tag == "img"]
    assert len(pictures) >= 15
    assert all(len(a["alt"]) > 30 for a in pictures)
    numbers = re.findall(r"Figure (\d+)\.", "".join(read.text))
    assert [int(number) for number in numbers] == list(range(1, len(pictures) + 1))


def test_tables_are_numbered_and_headed(read):
    """Each table has a numbered caption and column heads with a scope."""
    tables = sum(tag == "table" for tag, _ in read.tags)
    numbers = re.findall(r"Table (\d+)\.", "".join(read.text))
    assert [int(number) for number in numbers] == list(range(1, tables + 1))
    assert all(a.get("scope") in {"col", "row"} for tag, a in read.tags if tag == "th")


def test_the_report_is_small_enough_to_mail(page_of):
    """The page, pictures and all, stays under three million bytes."""
    assert len(page_of.encode()) < 3_000_000


def test_the_pictures_are_whole(read):
    """Every picture's bytes decode to an SVG or a PNG."""
    for _, attributes in (found for found in read.tags if found[0] == "img"):
        kind, content = attributes["src"].split(";base64,")
        start = base64.b64decode(content)[:200]
        assert start.startswith(b"\x89PNG") if kind.endswith("png") else b"<?xml" in start


def test_another_process_makes_the_same_bytes(results, page_of, tmp_path: Path):
    """Made again from evaluation.json, in another process with other hash seeds, the page is the same."""
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


def test_missing_parts_say_why(bare, words_of):
    """Where every optional part is missing, each one says that it isn't computable, and why."""
    said = "\n".join(words_of(make(bare)) for make in SECTIONS)
    reasons = re.findall(r"^(.+) Not computable: (.+)$", said, re.MULTILINE)
    assert {title for title, _ in reasons} >= {
        "Joining months", "Features by label", "Checks", "Paired differences", "Learning curve", "Time-ordered view",
        "Calibration by bin", "Other risk rates", "Decision curve", "Other costs", "Importance", "SHAP summary",
        "Selection", "Fairness", "Characteristics", "Stated limits", "Times", "Trials", "Patterns", "Oddities",
    }  # fmt: skip
    assert all(reason.endswith(".") for _, reason in reasons)


def test_a_run_without_segments_or_strategies_is_told(bare, words_of):
    """The last optional parts may be missing too."""
    replace = msgspec.structs.replace
    emptied = replace(
        bare,
        segments=replace(bare.segments, rows=()),
        decisions=replace(bare.decisions, strategies=(), costs={}),
        features=(),
        data=replace(bare.data, customers=0, suspended=0),
    )
    said = "\n".join(words_of(make(emptied)) for make in SECTIONS)
    assert "Strategies Not computable: the run judged none." in said
    assert "Segments Not computable: the run formed none." in said
    assert "Expected cost Not computable" in said
    assert "nothing about risk can be learnt" in said
