"""One customer's or many customers' decision: probability, segment, action and reasons."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from customer_risk.model.errors import BadField, InputError
from customer_risk.model.features.one import InputWarning
from customer_risk.model.scoring.calibration import sigmoid
from customer_risk.model.scoring.reasons import Reason, top_reasons
from customer_risk.model.scoring.segments import ACTIONS, Action, Segment, Thresholds

if TYPE_CHECKING:
    from customer_risk.model.features.feature import Feature
    from customer_risk.model.scoring.calibration import Calibration
    from customer_risk.model.scoring.explainer import Explainer

__all__ = ["Decision", "InputWarning", "Measure", "Scorer", "Scores", "Verdict"]

# From a profile and transactions to (values float64[f] in the scorer's order, warnings).
Measure = Callable[
    [Mapping[str, object], Sequence[Mapping[str, object]]], tuple[NDArray[np.float64], tuple[InputWarning, ...]]
]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one customer; `features` holds the values that it rests on, None where missing."""

    probability: float
    segment: Segment
    action: Action
    reasons: tuple[Reason, ...]
    warnings: tuple[InputWarning, ...]
    features: dict[str, float | None]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a row of feature values leads to."""

    probability: float
    segment: Segment
    action: Action
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Many customers' scores, row by row.

    probability    float64[n]
    margin         float64[n]  the trees' log-odds, before calibration
    contributions  float64[n, f]  in the shown probability's log-odds: with `Scorer.base` they add up to them
    segment        n names
    """

    probability: NDArray[np.float64]
    margin: NDArray[np.float64]
    contributions: NDArray[np.float64]
    segment: list[Segment]


class Scorer:
    """Trees, calibration and thresholds put together.

    `features` are the columns, in order. `measure` turns a profile and transactions into their values; without it only
    given features can be decided on. `base` is the log-odds of a customer of whom nothing is known.
    """

    def __init__(
        self,
        explainer: Explainer,
        calibration: Calibration,
        thresholds: Thresholds,
        features: Sequence[Feature],
        measure: Measure | None = None,
        *,
        reasons: int = 5,
    ) -> None:
        self.explainer = explainer
        self.calibration = calibration
        self.thresholds = thresholds
        self.features = tuple(features)
        self.names = tuple(feature.name for feature in self.features)
        self.base: float = calibration.slope * explainer.bias + (calibration.intercept + calibration.shift)
        self._measure = measure
        self._reasons = reasons

    def score(self, values: NDArray[np.float64]) -> Scores:
        """Score rows float64[n, f] of feature values, NaN where missing."""
        margin, contributions = self.explainer.explain(values)
        probability = self.calibration.probability(margin)
        contributions *= self.calibration.slope
        return Scores(probability, margin, contributions, [self.thresholds.segment_of(p) for p in probability.tolist()])

    def decide(self, profile: Mapping[str, object], transactions: Sequence[Mapping[str, object]]) -> Decision:
        """Decide on one customer from their profile and transactions; raises InputError naming each bad field."""
        if self._measure is None:
            raise TypeError("this scorer was made without `measure`")
        values, warnings = self._measure(profile, transactions)
        return self.decide_values(values, warnings)

    def decide_features(self, features: Mapping[str, object]) -> Decision:
        """Decide on one customer from named feature values, None for a missing one.

        Every feature of the model must be named, and no other; raises InputError naming each that is unknown, absent or
        not a finite number.
        """
        bad = [
            BadField(_pointer(name), "the model doesn't know this feature")
            for name in features
            if name not in self.names
        ]
        values = np.full(len(self.names), np.nan)
        for i, name in enumerate(self.names):
            value = features.get(name, _ABSENT)
            if value is _ABSENT:
                bad.append(BadField(_pointer(name), "is absent; give null where the value is missing"))
            elif value is not None:
                try:
                    values[i] = _number(value)
                except (TypeError, ValueError, OverflowError):
                    bad.append(BadField(_pointer(name), "must be a finite number or null"))
        if bad:
            raise InputError(tuple(bad))
        return self.decide_values(values)

    def decide_values(self, values: NDArray[np.float64], warnings: Sequence[InputWarning] = ()) -> Decision:
        """Decide on one customer from values float64[f] in the scorer's order."""
        verdict = self.judge(values)
        return Decision(
            probability=verdict.probability,
            segment=verdict.segment,
            action=verdict.action,
            reasons=verdict.reasons,
            warnings=tuple(warnings),
            features={n: None if math.isnan(v) else v for n, v in zip(self.names, values.tolist(), strict=True)},
        )

    def judge(self, values: NDArray[np.float64]) -> Verdict:
        """Judge one customer's values float64[f], in the scorer's order: the bits that `score` gives in any batch."""
        margin, contributions = self.explainer.explain_one(values)
        contributions *= self.calibration.slope
        probability = sigmoid(self.calibration.slope * margin + (self.calibration.intercept + self.calibration.shift))
        segment = self.thresholds.segment_of(probability)
        reasons = self.reasons(values, contributions, segment)
        return Verdict(probability=probability, segment=segment, action=ACTIONS[segment], reasons=reasons)

    def reasons(
        self, values: NDArray[np.float64], contributions: NDArray[np.float64], segment: Segment
    ) -> tuple[Reason, ...]:
        """Word the reasons of one row of `Scores`: values float64[f], contributions float64[f]."""
        return top_reasons(values, contributions, self.features, self._reasons, segment=segment)


_ABSENT = object()


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    number = float(value)  # an integer may be too great
    if not math.isfinite(number):
        raise ValueError
    return number


def _pointer(name: str) -> str:
    """Point at a feature of the request, its name escaped as RFC 6901 has it."""
    return "/features/" + name.replace("~", "~0").replace("/", "~1")
