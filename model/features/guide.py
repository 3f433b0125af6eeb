"""The guide to the features: `python -m customer_risk.model.features.guide > docs/guide/features.md`."""

from __future__ import annotations

import sys
from itertools import groupby

from customer_risk.model.features.catalogue import CATALOGUE, LOOKBACK_DAYS, MAX_TRANSACTIONS, default_names
from customer_risk.model.features.feature import Feature
from customer_risk.model.features.terms import TERMS

_DIRECTIONS = {1: "raises risk", -1: "lowers risk", 0: "either"}
_HEAD = "| feature | meaning | unit | greater values | formula | plausible | missing if | columns |"

_HEADING = """# Features

<!-- Written by `python -m customer_risk.model.features.guide`; a test holds it to the catalogue. -->

The catalogue names {count} features, each once; `model/features/definitions/` is where. One compiled kernel computes
them, for every customer of a table or for the one of a request, and gives the same bits both ways, whatever the order
of the rows and whatever the ids.

Nothing depends on today's date, on when a table ends or on other customers: every feature is anchored at the customer's
own first and last transaction. Dates shifted by whole weeks change nothing. No value is infinite; where there is
nothing to compute from, it is missing, and the model takes that as such.

By default a model chooses among {default} of them. Left out unless `training.optional_features` names them: {off}.
Gender is no feature at all.

## Words

{words}

`LOOKBACK_DAYS` is {lookback} and `MAX_TRANSACTIONS` {most:,}; a bundle's manifest says what its model was trained
with."""


def features_guide() -> str:
    """Write the guide as Markdown."""
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
    sys.stdout.write(features_guide())
