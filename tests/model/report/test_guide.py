"""The guide to the report."""

from __future__ import annotations

import re
from pathlib import Path

from customer_risk.model.report.pages import SECTIONS
from customer_risk.model.report.sections import choice

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "report.md"


def test_the_guide_names_the_reports_parts_in_order(results):
    """The guide lists the sections of the report in their order."""
    table = GUIDE.read_text(encoding="utf-8").split("## What is in it", 1)[1].split("\n## ", 1)[0]
    parts = [part.strip() for part in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)]
    titles = [
        re.split("[,:]", make(results).title)[0] if make is choice.section else make(results).title for make in SECTIONS
    ]
    assert parts == ["part", *titles]
