"""Writes the reference of the features: `python -m customer_risk.model.features.guide > docs/reference/features.md`."""

from __future__ import annotations

import sys
from itertools import groupby

from customer_risk.model.features.catalogue import CATALOGUE, LOOKBACK_DAYS, MAX_TRANSACTIONS, default_names
from customer_risk.model.features.feature import Feature
from customer_risk.model.features.terms import TERMS

_DIRECTIONS = {1: "raises risk", -1: "lowers risk", 0: "either"}
_HEAD = "| feature | meaning | unit | greater values | formula | plausible values | missing if | columns |"

_HEADING = """# Reference of the features

<!-- Written by `python -m customer_risk.model.features.guide`; a test compares it with the catalogue. -->

All {count} features of the catalogue. [Features](../guide/features.md) explains how they are made and how to read them.

A model chooses among {default} of them by default. The others are used only if `training.optional_features` names them:
{off}.

## Terms

{words}

`LOOKBACK_DAYS` is {lookback} and `MAX_TRANSACTIONS` is {most:,}. A bundle's manifest has the values that its model was
trained with."""


def features_reference() -> str:
    """Return the reference as Markdown."""
    off = ", ".join(f"`{feature.name}`" for feature in CATALOGUE if not feature.default)
    parts = [
        _HEADING.format(
            count=len(CATALOGUE),
            default=len(default_names()),
            off=off,
            words="\n".join(f"- **{term}**: {meaning}" for term, meaning in TERMS.items()),
            lookback=LOOKBACK_DAYS,
            most=MAX_TRANSACTIONS,
        )
    ]
    for group, members in groupby(CATALOGUE, key=lambda feature: feature.group):
        rows = "\n".join(_row(feature) for feature in members)
        parts.append(f"## {group.capitalize()}\n\n{_HEAD}\n{'|---' * 8}|\n{rows}")
    return "\n\n".join(parts) + "\n"


def _row(feature: Feature) -> str:
    cells = (
        f"`{feature.name}`",
        feature.meaning,
        feature.unit,
        _DIRECTIONS[feature.direction],
        feature.formula,
        f"{feature.low:,g} to {feature.high:,g}",
        feature.missing,
        ", ".join(feature.sources),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(features_reference())
