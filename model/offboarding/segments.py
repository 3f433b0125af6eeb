"""The characteristics of each segment: its size, its risk, and how its customers differ from all others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import polars as pl

from customer_risk.model.features import catalogue
from customer_risk.model.features.values import formatted
from customer_risk.model.scoring.segments import SEGMENTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.features.feature import Feature
    from customer_risk.model.offboarding.scored import Scored
    from customer_risk.model.scoring.segments import Segment

DIFFERENCES: Final = 8  # features shown for each segment
_PLAIN: Final = ("transactions", "in_sum", "out_sum", "span_days")  # shown for every segment, also if they don't differ


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The medians of one feature inside a segment and outside of it; None if the value is always missing.

    `share_greater` compares pairs of a customer inside and a customer outside. It is the share of pairs in which the
    customer inside has the greater value; equal values count half (the common language effect size, McGraw and Wong
    1992). 0.5 means no difference.
    """

    feature: str
    meaning: str
    unit: str
    inside: float | None
    outside: float | None
    share_greater: float

    def worded(self, value: float | None) -> str:
        """Return one of the two medians with its unit."""
        return formatted(math.nan if value is None else value, catalogue.BY_NAME[self.feature].unit)

    def pairs(self) -> str:
        """Return in how many of 100 pairs the customer inside has the greater value, or the smaller one."""
        greater = self.share_greater >= 0.5
        if self.unit == "yes/no":
            return f"yes {'more' if greater else 'less'} often"
        share = self.share_greater if greater else 1 - self.share_greater
        return f"{'greater' if greater else 'smaller'} in {100 * share:.0f} of 100 pairs"


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a segment's customers show one declared pattern."""

    code: str
    name: str
    customers: int
    share: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One segment; `expected_risky` is the sum of its customers' probabilities.

    `actions` counts the customers by action, the most frequent first. If the segment has no customers, values are None
    or empty.
    """

    segment: str
    actions: dict[str, int]
    customers: int
    share: float
    mean_probability: float | None
    expected_risky: float
    without_transactions: int
    with_pattern: int
    plain: tuple[Difference, ...]
    differences: tuple[Difference, ...]
    patterns: tuple[Held, ...]


def characterise(scored: Scored) -> list[Profile]:
    """Describe the segments low, medium and high of a scored cohort."""
    table = scored.table
    names = tuple(dict.fromkeys((*scored.bundle.manifest.features, *_PLAIN)))
    values = scored.features.select(names).values
    ranks = _ranks(values)
    return [_profile(scored, segment, table, names, values, ranks) for segment in SEGMENTS]


def _profile(
    scored: Scored,
    segment: Segment,
    table: pl.DataFrame,
    names: tuple[str, ...],
    values: NDArray[np.float64],
    ranks: NDArray[np.float64],
) -> Profile:
    inside = (table["segment"] == segment).to_numpy()
    members = table.filter(pl.col("segment") == segment)
    n = members.height
    differences = {
        name: _difference(catalogue.BY_NAME[name], values[:, i], ranks[:, i], inside) for i, name in enumerate(names)
    }
    telling = sorted(
        (differences[name] for name in scored.bundle.manifest.features if differences[name].share_greater != 0.5),
        key=lambda difference: -abs(difference.share_greater - 0.5),
    )
    found = scored.patterns.filter(pl.col("customer_id").is_in(members["customer_id"].implode()))
    counts = dict(found.group_by("code").len().iter_rows())
    return Profile(
        segment=segment,
        actions=dict(members.group_by("action").len().sort("len", "action", descending=[True, False]).iter_rows()),
        customers=n,
        share=n / max(table.height, 1),
        mean_probability=float(members["probability"].to_numpy().mean()) if n else None,
        expected_risky=float(members["probability"].sum()),
        without_transactions=members.filter(pl.col("transactions") == 0).height,
        with_pattern=found["customer_id"].n_unique(),
        plain=tuple(differences[name] for name in _PLAIN),
        differences=tuple(telling[:DIFFERENCES]),
        patterns=tuple(
            Held(
                code=one.code,
                name=one.pattern.name,
                customers=counts.get(one.code, 0),
                share=counts.get(one.code, 0) / max(n, 1),
            )
            for one in scored.criteria.declared
        ),
    )


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank each column. Equal values get the mean of their ranks; missing values stay NaN."""
    columns = [pl.Series(column).fill_nan(None).rank("average").to_numpy() for column in values.T]
    return np.column_stack(columns).astype(np.float64)


def _difference(
    feature: Feature, values: NDArray[np.float64], ranks: NDArray[np.float64], inside: NDArray[np.bool_]
) -> Difference:
    known = ~np.isnan(values)
    here, there = values[inside & known], values[~inside & known]
    share_greater = 0.5
    if len(here) and len(there):
        greater = ranks[inside & known].sum() - len(here) * (len(here) + 1) / 2  # Mann and Whitney's U
        share_greater = float(greater / (len(here) * len(there)))
    return Difference(
        feature=feature.name,
        meaning=feature.meaning,
        unit=feature.unit,
        inside=float(np.median(here)) if len(here) else None,
        outside=float(np.median(there)) if len(there) else None,
        share_greater=share_greater,
    )


def as_table(profiles: list[Profile]) -> pl.DataFrame:
    """Return the profiles as one long table: segment, kind, name, value inside, value outside, unit, share_greater."""
    rows: list[tuple[str, str, str, float | None, float | None, str, float | None]] = []
    for one in profiles:
        sizes: dict[str, tuple[float | None, str]] = {
            "customers": (one.customers, "count"),
            "share_of_customers": (one.share, "share"),
            "mean_probability": (one.mean_probability, "share"),
            "expected_risky": (one.expected_risky, "count"),
            "without_transactions": (one.without_transactions, "count"),
            "with_any_pattern": (one.with_pattern, "count"),
        }
        rows += [(one.segment, "size", name, value, None, unit, None) for name, (value, unit) in sizes.items()]
        rows += [(one.segment, "pattern", held.code, held.customers, None, "count", None) for held in one.patterns]
        shown = {difference.feature: difference for difference in (*one.plain, *one.differences)}
        rows += [
            (one.segment, "median", d.feature, d.inside, d.outside, d.unit, d.share_greater) for d in shown.values()
        ]
    return pl.DataFrame(
        rows,
        schema={
            "segment": pl.String,
            "kind": pl.String,
            "name": pl.String,
            "value": pl.Float64,
            "value_elsewhere": pl.Float64,
            "unit": pl.String,
            "share_greater": pl.Float64,
        },
        orient="row",
    )
