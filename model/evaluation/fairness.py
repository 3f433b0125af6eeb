"""Compares the treatment of groups of customers: shares by slice with intervals, and the gaps between slices.

Gender, residence and age are read from the tables for this comparison only; they need not be features.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from customer_risk.model.evaluation.metrics import wilson_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

Measure = Literal["parity", "true_positive", "false_positive", "equalized_odds"]

AGE_BANDS = ((18, "under 18"), (25, "18 to 24"), (35, "25 to 34"), (50, "35 to 49"), (200, "50 and over"))
UNKNOWN = "not stated"
POOLED = "all others"


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its counts and interval; value and bounds are None if it isn't computable, for the reason `why`."""

    count: int
    of: int
    value: float | None
    low: float | None
    high: float | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """One group of customers under one decision.

    suspended         observed share of suspended customers
    flagged           share that the decision flags; parity compares it
    caught            flagged share of the suspended (true positive rate)
    false_alarms      flagged share of the others (false positive rate)
    precision         suspended share of the flagged
    mean_probability  mean of the model's probabilities

    A slice whose figures could identify persons has only its size.
    """

    attribute: str
    name: str
    customers: int
    suspended: Share
    flagged: Share
    caught: Share
    false_alarms: Share
    precision: Share
    mean_probability: float | None


@dataclass(frozen=True, slots=True)
class Gap:
    """The gap between the slices of one attribute in one measure.

    `value` is the greatest share minus the least, which are those of the slices `greatest` and `least`; `low` and
    `high` are the bounds of that difference. `by_chance` is how often a gap at least as large appears if customers are
    assigned to slices at random. If fewer than two slices have enough customers, these fields are None and `why` has
    the reason.
    """

    attribute: str
    measure: Measure
    value: float | None
    low: float | None
    high: float | None
    by_chance: float | None
    greatest: str | None
    least: str | None
    slices: int
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Fairness:
    """Slices and gaps for one decision; only slices with at least `minimum` customers are compared."""

    decision: str
    confidence: float
    minimum: int
    slices: tuple[Slice, ...]
    gaps: tuple[Gap, ...]


def groups(customers: pl.DataFrame, *, on: date, minimum: int = 10) -> dict[str, tuple[str, ...]]:
    """Return each customer's slice by attribute: "gender", "residence" and "age band" on the day `on`.

    customers  a canonical table; an attribute whose column is absent or has no value is left out.
    Values with fewer than `minimum` customers are pooled into "all others", so that no slice identifies a person.
    """
    found: dict[str, Sequence[str]] = {}
    for attribute, column in (("gender", "gender"), ("residence", "country_of_residence")):
        if column in customers.columns and customers[column].null_count() < customers.height:
            found[attribute] = [value or UNKNOWN for value in customers[column].to_list()]
    if "date_of_birth" in customers.columns and customers["date_of_birth"].null_count() < customers.height:
        found["age band"] = [age_band(born, on=on) for born in customers["date_of_birth"].to_list()]
    return {attribute: _pooled(names, minimum) for attribute, names in found.items()}


def age_band(born: date | None, *, on: date) -> str:
    """Return the name of the age band, by age in full years on the day `on`."""
    if born is None:
        return UNKNOWN
    age = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return next(name for limit, name in AGE_BANDS if age < limit) if age < AGE_BANDS[-1][0] else UNKNOWN


def fairness(
    decision: str,
    *,
    suspended: NDArray[np.bool_],
    flagged: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    slices: Mapping[str, Sequence[str]],
    confidence: float = 0.95,
    minimum: int = 10,
    shuffles: int = 2000,
    seed: int = 0,
) -> Fairness:
    """Compare slices under one decision, from out-of-fold predictions.

    suspended, flagged  bool[n]; probabilities  float64[n]; slices  attribute -> n slice names, as from `groups`.
    Gaps compare slices with at least `minimum` customers in the share's denominator. Demographic parity: Calders &
    Verwer 2010; equalized odds (the greater of the gaps in true and false positive rate): Hardt, Price & Srebro 2016.
    """
    every: list[Slice] = []
    gaps: list[Gap] = []
    random = np.random.default_rng(seed)
    for attribute, names in slices.items():
        members = np.asarray(names, dtype=np.str_)
        found = [
            _slice(attribute, str(name), members == name, suspended, flagged, probabilities, confidence, minimum)
            for name in sorted(set(members.tolist()), key=_last)
        ]
        every += found
        gaps += _gaps(attribute, found, minimum=minimum, shuffles=shuffles, random=random)
    return Fairness(decision, confidence, minimum, tuple(every), tuple(gaps))


def wilson(count: int, of: int, *, confidence: float = 0.95, why: str = "no customer to count") -> Share:
    """Return a share with Wilson's score interval; if `of` is 0 it isn't computable, for the reason `why`."""
    if of == 0:
        return Share(count, of, None, None, None, why)
    return Share(count, of, count / of, *wilson_bounds(count, of, confidence))


def newcombe(first: Share, second: Share) -> tuple[float, float]:
    """Return the interval of `first` minus `second`, from their Wilson intervals (Newcombe 1998, method 10)."""
    a, b = _computed(first), _computed(second)
    difference = a[0] - b[0]
    return (
        difference - sqrt((a[0] - a[1]) ** 2 + (b[2] - b[0]) ** 2),
        difference + sqrt((a[2] - a[0]) ** 2 + (b[0] - b[1]) ** 2),
    )


def _computed(share: Share) -> tuple[float, float, float]:
    if share.value is None or share.low is None or share.high is None:
        raise ValueError("the difference to a share that isn't computable is not defined")
    return share.value, share.low, share.high


def _pooled(names: Sequence[str], minimum: int) -> tuple[str, ...]:
    """Pool values with fewer than `minimum` customers; a single such value keeps its name."""
    counts = {name: names.count(name) for name in set(names)}
    rare = {name for name, count in counts.items() if count < minimum}
    return tuple(POOLED if name in rare and len(rare) > 1 else name for name in names)


def _last(name: str) -> tuple[bool, str]:
    return name in {UNKNOWN, POOLED}, "" if name.startswith("under") else name


def _slice(
    attribute: str,
    name: str,
    members: NDArray[np.bool_],
    suspended: NDArray[np.bool_],
    flagged: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    confidence: float,
    minimum: int,
) -> Slice:
    n = int(members.sum())
    if n < minimum:
        hidden = Share(
            0, 0, None, None, None, f"fewer than {minimum} customers: withheld, because it could identify persons"
        )
        return Slice(attribute, name, n, hidden, hidden, hidden, hidden, hidden, None)
    positives, taken, hits = (
        int(mask.sum()) for mask in (members & suspended, members & flagged, members & suspended & flagged)
    )
    return Slice(
        attribute=attribute,
        name=name,
        customers=n,
        suspended=wilson(positives, n, confidence=confidence),
        flagged=wilson(taken, n, confidence=confidence),
        caught=wilson(hits, positives, confidence=confidence, why="no suspended customer in this slice"),
        false_alarms=wilson(
            taken - hits, n - positives, confidence=confidence, why="only suspended customers in this slice"
        ),
        precision=wilson(hits, taken, confidence=confidence, why="no customer in this slice is flagged"),
        mean_probability=float(probabilities[members].mean()),
    )


def _gaps(
    attribute: str, slices: Sequence[Slice], *, minimum: int, shuffles: int, random: np.random.Generator
) -> list[Gap]:
    parity, _ = _gap(attribute, "parity", [(s.name, s.flagged) for s in slices], "customers", minimum, shuffles, random)
    true, true_draws = _gap(
        attribute,
        "true_positive",
        [(s.name, s.caught) for s in slices],
        "suspended customers",
        minimum,
        shuffles,
        random,
    )
    false, false_draws = _gap(
        attribute,
        "false_positive",
        [(s.name, s.false_alarms) for s in slices],
        "customers who were not suspended",
        minimum,
        shuffles,
        random,
    )
    return [parity, true, false, _equalized(true, false, true_draws, false_draws)]


def _gap(
    attribute: str,
    measure: Measure,
    shares: Sequence[tuple[str, Share]],
    counted: str,
    minimum: int,
    shuffles: int,
    random: np.random.Generator,
) -> tuple[Gap, NDArray[np.float64]]:
    """Return the gap, and the gaps of random slices of the same sizes and with the same total of flagged customers."""
    able = [(name, share) for name, share in shares if share.of >= max(minimum, 1)]
    if len(able) < 2:
        why = f"fewer than two slices have {minimum} {counted}"
        return Gap(attribute, measure, None, None, None, None, None, None, len(able), why), np.zeros(0)
    able.sort(key=lambda pair: _computed(pair[1])[0])
    (least, low), (greatest, high) = able[0], able[-1]
    value = _computed(high)[0] - _computed(low)[0]
    sizes = np.array([share.of for _, share in able])
    shuffled = random.multivariate_hypergeometric(sizes, sum(share.count for _, share in able), size=shuffles) / sizes
    draws: NDArray[np.float64] = shuffled.max(axis=1) - shuffled.min(axis=1)
    edges = newcombe(high, low)
    return (Gap(attribute, measure, value, *edges, _at_least(draws, value), greatest, least, len(able)), draws)


def _equalized(true: Gap, false: Gap, true_draws: NDArray[np.float64], false_draws: NDArray[np.float64]) -> Gap:
    if true.value is None or false.value is None:
        why = true.why or false.why
        return Gap(
            true.attribute, "equalized_odds", None, None, None, None, None, None, min(true.slices, false.slices), why
        )
    wider = true if true.value >= false.value else false
    return Gap(
        attribute=wider.attribute,
        measure="equalized_odds",
        value=wider.value,
        low=wider.low,
        high=wider.high,
        by_chance=_at_least(np.maximum(true_draws, false_draws), max(true.value, false.value)),
        greatest=wider.greatest,
        least=wider.least,
        slices=wider.slices,
    )


def _at_least(draws: NDArray[np.float64], value: float) -> float:
    """Return the p-value of the permutation test, which counts the observed assignment (Phipson & Smyth 2010)."""
    return float((1 + int((draws >= value - 1e-12).sum())) / (1 + draws.size))
