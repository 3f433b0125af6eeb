"""The table of alerts in the documentation."""

from __future__ import annotations

from pathlib import Path

from k8s.alerts.table import table


def test_the_page_has_the_table():
    """The page about alerts has the table of the definition."""
    page = Path(__file__).parents[3] / "docs/guide/alerts.md"
    assert table() in page.read_text(encoding="utf-8")
