"""The guide to the features."""

from __future__ import annotations

from pathlib import Path

from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.guide import features_guide

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "features.md"


def test_guide_is_in_step_with_the_catalogue() -> None:
    """docs/guide/features.md is what `python -m customer_risk.model.features.guide` writes now."""
    assert GUIDE.read_text(encoding="utf-8") == features_guide()


def test_guide_names_every_feature() -> None:
    """Each feature has a row."""
    assert all(f"\n| `{name}` | " in features_guide() for name in NAMES)
