"""Compares strategies for cut-offs: what each finds, costs and saves, out of fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from customer_risk.model.evaluation import metrics
from customer_risk.model.evaluation.decision_inputs import strategies
from customer_risk.model.evaluation.intervals import Draws, interval, measure, wilson
from customer_risk.model.evaluation.money import worth
from customer_risk.model.evaluation.results import Confusion, Decisions, SegmentRow, Strategy
from customer_risk.model.evaluation.sensitivity import cost_rows, decision_curve, rate_rows
from customer_risk.model.policy.calibration import prior_weights, shifted
from customer_risk.model.policy.thresholds import Cuts, loss_matrix_cuts
from customer_risk.model.scoring.segments import ACTIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.config import Costs
    from customer_risk.model.evaluation.decision_inputs import DecisionInputs, Flagged

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

PRICED = ("missed_risky", "wrongly_flagged", "review", "review_catches")  # a person at the bank must confirm them
PRICES = ("missed_risky", "wrongly_flagged", "review", "review_catches", "reviews_per_week", "least_recall")
TITLES = {
    "segments": "Low, Medium, High",
    "least_cost": "Least expected cost of flagging or not",
    "max_f1": "Greatest F1",
    "recall": "Recall of at least {recall:.0%}",
    "no_customer": "No customer flagged",
}


def decide(inputs: DecisionInputs, costs: Costs, draws: Draws, inner: Floats, source: str) -> Decisions:
    """Compare the strategies.

    `inner` float64[n] are the shipped model's out-of-fold probabilities at the sample's rate, from which the shipped
    cut-offs are chosen. `source` says where the number of customers per week comes from.
    """
    weights = prior_weights(inputs.labels, inputs.portfolio_rate)
    chosen = {
        key: cut(inputs.labels, shifted(inner, inputs.shift), weights)
        for key, cut in strategies(costs, inputs.per_week).items()
    }
    shipped = chosen["segments"]
    flagged = {key: inputs.flag(cut) for key, cut in strategies(costs, inputs.per_week).items()}
    capacity = shipped.medium > loss_matrix_cuts(costs).medium
    return Decisions(
        costs={name: float(value) for name, value in msgspec.to_builtins(costs).items() if name in PRICES},
        customers_per_week=inputs.per_week,
        customers_per_week_source=source,
        strategies=tuple(
            _strategy(key, found, chosen[key], inputs, costs, draws, weights) for key, found in flagged.items()
        ),
        decision_curve=decision_curve(inputs, weights),
        cost_sensitivity=cost_rows(inputs, costs, inner, weights),
        rate_sensitivity=rate_rows(inputs, costs, flagged["segments"]),
        sample_rate=inputs.sample_rate,
        portfolio_rate=inputs.rate,
        rate_source=_whose_rate(inputs),
        medium=shipped.medium,
        high=shipped.high,
        explanation=_explanation(costs, shipped, capacity=capacity),
    )


def segment_rows(
    inputs: DecisionInputs, costs: Costs, cuts: Cuts, confidence: float
) -> tuple[tuple[SegmentRow, ...], Flags]:
    """Return the rows of Low, Medium and High out of fold (means over repeats), and their members bool[3, r, n]."""
    found = inputs.flag(strategies(costs, inputs.per_week)["segments"])
    members = np.stack([~found.proposed & ~found.reviewed, found.reviewed, found.proposed])
    rows = []
    for (segment, action), where, lowest in zip(ACTIONS.items(), members, (0.0, cuts.medium, cuts.high), strict=True):
        customers, suspended = float(where.sum(axis=1).mean()), float((where & inputs.labels).sum(axis=1).mean())
        rows.append(
            SegmentRow(
                segment=segment,
                action=action,
                lowest=lowest,
                customers=customers,
                share=customers / len(inputs.labels),
                suspended=suspended,
                observed_rate=wilson(suspended, customers, confidence),
            )
        )
    return tuple(rows), members


def _strategy(
    key: str, found: Flagged, cuts: Cuts, inputs: DecisionInputs, costs: Costs, draws: Draws, weights: Floats
) -> Strategy:
    def compute(repeat: int, weighting: Floats) -> dict[str, Floats]:
        return worth(inputs.labels, found.proposed[repeat], found.reviewed[repeat], costs, weighting)

    measured = measure(compute, len(found.proposed), draws, weights)
    known = {name: interval(value, draws.confidence) for name, value in measured.items()}
    ones = np.ones((1, len(inputs.labels)))
    counts = np.mean(
        [[float(cell[0]) for cell in metrics.confusion(inputs.labels, one, ones)] for one in found.proposed], axis=0
    ).tolist()
    return Strategy(
        key=key,
        title=TITLES[key].format(recall=costs.least_recall),
        threshold=None if key == "no_customer" else cuts.high,
        medium_threshold=cuts.medium if key == "segments" else None,
        confusion=Confusion(
            true_positive=counts[0], false_positive=counts[1], false_negative=counts[2], true_negative=counts[3]
        ),
        precision=known["precision"],
        recall=known["recall"],
        f1=known["f1"],
        flagged_share=known["flagged_share"],
        reviews_per_week=inputs.per_week * (known["analyst_share"].estimate or 0.0),
        net_benefit=known["net_benefit"],
        loss_per_customer=known["loss"],
        saved_per_customer=known["saved"],
        roi=known["roi"],
        shipped=key == "segments",
    )


def _whose_rate(inputs: DecisionInputs) -> str:
    if inputs.portfolio_rate is None:
        return (
            f"Probabilities hold at the risk rate of the labelled sample, {inputs.sample_rate:.1%}, because the "
            "configuration has no risk rate of the portfolio (portfolio.risk_rate)."
        )
    return (
        f"Probabilities are shifted from the sample's risk rate, {inputs.sample_rate:.1%}, to the portfolio's, "
        f"{inputs.portfolio_rate:.1%} (portfolio.risk_rate): a shift of {inputs.shift:+z.2f} in log-odds."
    )


def _explanation(costs: Costs, cuts: Cuts, *, capacity: bool) -> str:
    wanted = loss_matrix_cuts(costs)
    medium = (
        f"Medium begins at {cuts.medium:.3f}. From {wanted.medium:.3f} on, a review costs less than it saves, but the "
        f"capacity of {costs.reviews_per_week} review{'s' * (costs.reviews_per_week != 1)} a week raises the cut-off."
        if capacity
        else f"Medium begins at {cuts.medium:.3f}: from there on, a review costs less than it saves."
    )
    high = (
        f"High begins at {cuts.high:.3f}: from there on, a proposal costs less than a review."
        if costs.strategy == "segments"
        else f"High begins at {cuts.high:.3f}, chosen by the strategy {costs.strategy}."
    )
    return f"{medium} {high}"
