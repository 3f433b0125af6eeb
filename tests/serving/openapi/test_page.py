"""The documentation page: complete and self-contained."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from customer_risk.model.features.catalogue import NAMES
from customer_risk.serving.openapi import render_document, render_page

DOCUMENT = render_document("customer-risk")
PAGE, POLICY = render_page(DOCUMENT)
TEXT = PAGE.decode()
_EMPTY = {"meta", "link", "br", "hr", "img", "input"}


class _Elements(HTMLParser):
    """Every element's name and attributes; an end tag that doesn't match fails."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def elements() -> list[tuple[str, dict[str, str | None]]]:
    """The page's elements."""
    parser = _Elements()
    parser.feed(TEXT)
    assert parser.open == []
    return parser.found


def test_the_page_loads_nothing(elements) -> None:
    """The page loads nothing; its links lead into the page or to the document."""
    assert not {name for name, _ in elements} & {"script", "img", "iframe", "link", "object", "form"}
    links = [attributes["href"] for name, attributes in elements if name == "a"]
    assert all(link.startswith("#") or link == "/ai/v1/openapi.json" for link in links)
    assert "url(" not in TEXT
    assert "@import" not in TEXT


def test_the_page_obeys_its_content_security_policy(elements) -> None:
    """There is no inline style or handler; the style sheet has the hash of the policy."""
    for _, attributes in elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    style = re.search("<style>(.*?)</style>", TEXT, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in POLICY
    assert "default-src 'none'" in POLICY


def test_every_link_within_the_page_leads_somewhere(elements) -> None:
    """Every link within the page has an anchor; no two anchors are equal."""
    anchors = [attributes["id"] for _, attributes in elements if "id" in attributes]
    links = {attributes["href"][1:] for name, attributes in elements if name == "a" and attributes["href"][0] == "#"}
    assert links <= set(anchors)
    assert len(anchors) == len(set(anchors))


def test_every_operation_is_shown_with_a_curl_line() -> None:
    """Each operation shows its path and a curl command."""
    for path, item in json.loads(DOCUMENT)["paths"].items():
        for operation in item.values():
            article = TEXT.split(f'<article id="{operation["operationId"]}">')[1].split("</article>")[0]
            assert f"<code>{path}</code>" in article
            assert "curl" in article


def test_texts_are_escaped() -> None:
    """A model name from the settings can't become markup."""
    page, _ = render_page(render_document("<script>alert(1)</script>"))
    assert b"<script" not in page


def test_types_that_may_be_null_and_alternatives_are_named() -> None:
    """A member's types are listed, also null and alternatives; features have a table."""
    for shown in (
        "<td><code>date_of_birth</code><small>optional</small></td><td>date or null</td>",
        "<td><code>probability</code></td><td>number 0 to 1 or null</td>",
        '<td><a href="#schema-Transactions">Transactions</a> or <a href="#schema-Columns">Columns</a></td>',
        '<td><a href="#schema-Features">Features</a></td>',
    ):
        assert shown in TEXT
    assert TEXT.count(f"<details><summary>{len(NAMES)} features</summary>") == 1
