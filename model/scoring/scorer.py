"""Scores one or many customers: probability, segment, action and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from customer_risk.model.patterns.found_pattern import FoundPattern
from customer_risk.model.scoring.calibration import sigmoid
from customer_risk.model.scoring.reasons import Reason, top_reasons
from customer_risk.model.scoring.segments import ACTIONS, Action, Segment, Thresholds

if TYPE_CHECKING:
    from customer_risk.model.features.feature import Feature
    from customer_risk.model.scoring.action_rule import ActionRule
    from customer_risk.model.scoring.calibration import Calibration
    from customer_risk.model.scoring.explainer import Explainer


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result for a row of feature values.

    `patterns` is None if no patterns can be seen: features were given, or the bundle has no action rule.
    """

    probability: float
    segment: Segment
    action: Action
    reasons: tuple[Reason, ...]
    patterns: tuple[FoundPattern, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Many customers' scores, row by row.

    probability    float64[n]
    margin         float64[n]  the trees' log-odds, before calibration
    contributions  float64[n, f]  in the shown probability's log-odds: their sum plus `Scorer.base` is the log-odds
    segment        n names
    """

    probability: NDArray[np.float64]
    margin: NDArray[np.float64]
    contributions: NDArray[np.float64]
    segment: list[Segment]


class Scorer:
    """Trees, calibration and thresholds.

    `features` are the columns, in order, with the texts of reasons. With `repeats`, one answer may have the same
    customer text more than once. Without an `action_rule`, as in bundles that have none, the segment alone decides the
    action. `base` is the expected log-odds without any feature.
    """

    def __init__(
        self,
        explainer: Explainer,
        calibration: Calibration,
        thresholds: Thresholds,
        features: Sequence[Feature],
        *,
        action_rule: ActionRule | None = None,
        reasons: int = 5,
        repeats: bool = False,
    ) -> None:
        self.explainer = explainer
        self.calibration = calibration
        self.thresholds = thresholds
        self.features = tuple(features)
        self.names = tuple(feature.name for feature in self.features)
        self.base: float = calibration.slope * explainer.bias + (calibration.intercept + calibration.shift)
        self.action_rule = action_rule
        self._reasons = reasons
        self._repeats = repeats

    def score(self, values: NDArray[np.float64]) -> Scores:
        """Return the scores of rows float64[n, f] of feature values, NaN where missing."""
        margin, contributions = self.explainer.explain(values)
        probability = self.calibration.probability(margin)
        contributions *= self.calibration.slope
        return Scores(probability, margin, contributions, [self.thresholds.segment_of(p) for p in probability.tolist()])

    def judge(self, values: NDArray[np.float64], patterns: tuple[FoundPattern, ...] | None = None) -> Verdict:
        """Return the verdict on values float64[f], in the scorer's order: the same bits as `score` in any batch.

        `patterns` are those found in the customer's transactions; None if no patterns can be seen.
        """
        margin, contributions = self.explainer.explain_one(values)
        contributions *= self.calibration.slope
        probability = sigmoid(self.calibration.slope * margin + (self.calibration.intercept + self.calibration.shift))
        segment = self.thresholds.segment_of(probability)
        reasons = self.reasons(values, contributions, segment)
        return Verdict(
            probability=probability,
            segment=segment,
            action=self.action(segment, patterns),
            reasons=reasons,
            patterns=patterns,
        )

    def action(self, segment: Segment, patterns: tuple[FoundPattern, ...] | None) -> Action:
        """Return the action for a segment and the patterns found (None if no patterns can be seen)."""
        if self.action_rule is None:
            return ACTIONS[segment]
        return self.action_rule.action(segment, None if patterns is None else len(patterns))

    def reasons(
        self, values: NDArray[np.float64], contributions: NDArray[np.float64], segment: Segment
    ) -> tuple[Reason, ...]:
        """Return the reasons of one row of `Scores`: values float64[f], contributions float64[f]."""
        return top_reasons(values, contributions, self.features, self._reasons, segment=segment, repeats=self._repeats)
