"""The guide says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from customer_risk.model.tables.checks import CHECKS
from customer_risk.model.tables.csv_form import CsvForm
from customer_risk.model.tables.mapping import Mapping, TableMapping, columns_of
from customer_risk.model.tables.schema import Event, LabelledProfile
from customer_risk.model.tables.synthetic import BEHAVIOURS
from customer_risk.model.tables.traps import TRAPS

GUIDE = (Path(__file__).parents[3] / "docs" / "guide" / "tables.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", CHECKS, ids=lambda rule: f"{rule.kind}-{rule.name}")
def test_every_rule_is_in_the_guide(rule: object) -> None:
    """A rule's row in the guide has its layer, its name and its sentence."""
    assert f"| {rule.layer} | `{rule.name}` | {rule.sentence} |" in GUIDE


def test_every_trap_is_in_the_guide() -> None:
    """A trap's row in the guide has its key and its sentence."""
    missing = [
        key for key, text in TRAPS.items() if not key.startswith("failed_") and f"| `{key}` | {text} |" not in GUIDE
    ]
    assert missing == []


def test_every_column_is_in_the_guide() -> None:
    """A column's row in the guide has its name and what it is."""
    for kind, schema in (("users", LabelledProfile), ("transactions", Event)):
        for name in columns_of(kind, "labelled"):
            row = next(
                line
                for line in GUIDE.splitlines()
                if f"| `{name}` | " in line and schema.columns()[name].description in line
            )
            assert row.startswith(f"| `{Mapping().column(kind, name)}` |")


def test_every_field_of_a_mapping_is_in_the_guide() -> None:
    """What a mapping may say is listed."""
    fields = (*TableMapping.__struct_fields__, *CsvForm.__struct_fields__)
    assert [name for name in fields if f"| `{name}` |" not in GUIDE] == []


def test_every_behaviour_is_in_the_guide() -> None:
    """What a shift may change is listed."""
    assert [name for name, text in BEHAVIOURS.items() if f"| `{name}` | {text} |" not in GUIDE] == []
