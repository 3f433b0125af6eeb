"""The reference of the tables, which is made from the code."""

from __future__ import annotations

from pathlib import Path

from customer_risk.model.tables.guide import tables_guide

PAGE = Path(__file__).parents[3] / "docs/reference/tables.md"


def test_the_tables_reference_is_current() -> None:
    """`python -m customer_risk.model.tables.guide > docs/reference/tables.md` brings it up to date."""
    assert PAGE.read_text(encoding="utf-8") == tables_guide()
