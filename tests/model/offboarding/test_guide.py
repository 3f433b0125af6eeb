"""The guide agrees with the code."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from customer_risk.model.config import load_config
from customer_risk.model.patterns.definitions import ROUND_THRESHOLDS
from customer_risk.model.patterns.wording import Wording

GUIDE = (Path(__file__).parents[3] / "docs" / "guide" / "offboarding.md").read_text(encoding="utf-8")
USUAL = 987_654.0  # EUR; in place of what training takes from the customers
PATTERNS = [Wording(code, limits | {"usual": USUAL}) for code, limits in load_config().corroboration.rules.items()]


@pytest.mark.parametrize("one", PATTERNS, ids=lambda one: one.code)
def test_guide_has_each_pattern_with_its_default_thresholds(one):
    """The guide has each pattern with its default thresholds."""
    said = one.describe().replace("EUR 987,654.00", "an amount frozen at training (`usual`)")
    assert f"| `{one.code}` | {said} |" in GUIDE


def test_guide_has_the_round_thresholds():
    """The guide has the round thresholds of the code."""
    *others, last = (f"{threshold:,}" for threshold in ROUND_THRESHOLDS)
    assert f"EUR {', '.join(others)} and {last}" in GUIDE


def test_guide_has_every_file_and_column_of_a_run(scoring_run):
    """The guide has every file of a run and every column of its lists."""
    stems = {path.stem for path in scoring_run.iterdir()}
    assert all(f"`{stem}." in GUIDE for stem in stems)
    for name in ("scores", "offboarding", "review"):
        for column in pl.read_parquet(scoring_run / f"{name}.parquet").columns:
            assert f"`{column}`" in GUIDE, column
