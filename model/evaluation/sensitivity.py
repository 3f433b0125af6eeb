"""The effect of other costs, risk rates and threshold probabilities on decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from customer_risk.model.errors import ConfigError
from customer_risk.model.evaluation.decision_inputs import strategies
from customer_risk.model.evaluation.money import net_benefit, worth
from customer_risk.model.evaluation.results import CostRow, DecisionPoint, RateRow
from customer_risk.model.policy.calibration import prior_shift, prior_weights, shifted
from customer_risk.model.policy.thresholds import loss_matrix_cuts, segment_cuts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.config import Costs
    from customer_risk.model.evaluation.decision_inputs import DecisionInputs, Flagged

    Floats = NDArray[np.float64]

FACTORS = (0.5, 2.0)
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2)
CURVE = np.linspace(0.01, 0.8, 80)


def decision_curve(inputs: DecisionInputs, weights: Floats) -> tuple[DecisionPoint, ...]:
    """Return the net benefit of the model and of flagging all customers, over threshold probabilities."""
    points = []
    for cut in CURVE.tolist():
        found = [net_benefit(inputs.labels, one, weights, cut) for one in inputs.probabilities]
        points.append(
            DecisionPoint(threshold=cut, model=float(np.mean([ours for ours, _ in found])), everybody=found[0][1])
        )
    return tuple(points)


def cost_rows(inputs: DecisionInputs, costs: Costs, inner: Floats, weights: Floats) -> tuple[CostRow, ...]:
    """Change one cost at a time, and choose and price new cut-offs; skip costs with which an action never pays."""
    rows = []
    ones = weights[None, :]
    for name in ("missed_risky", "wrongly_flagged", "review"):
        for factor in FACTORS:
            changed = msgspec.structs.replace(costs, **{name: getattr(costs, name) * factor})
            try:
                loss_matrix_cuts(changed)
            except ConfigError:
                continue
            saved: dict[str, float] = {}
            roi: dict[str, float | None] = {}
            for key, cut in strategies(changed, inputs.per_week).items():
                found = inputs.flag(cut)
                priced = [
                    worth(inputs.labels, proposed, reviewed, changed, ones)
                    for proposed, reviewed in zip(found.proposed, found.reviewed, strict=True)
                ]
                saved[key] = float(np.mean([one["saved"] for one in priced]))
                returns = float(np.mean([one["roi"] for one in priced]))
                roi[key] = None if np.isnan(returns) else returns
            cuts = segment_cuts(changed, shifted(inner, inputs.shift), inputs.labels, weights, inputs.per_week)
            rows.append(
                CostRow(
                    cost=name,
                    factor=factor,
                    value=float(getattr(changed, name)),
                    medium_cut=cuts.medium,
                    high_cut=cuts.high,
                    saved=saved,
                    roi=roi,
                )
            )
    return tuple(rows)


def rate_rows(inputs: DecisionInputs, costs: Costs, shipped: Flagged) -> tuple[RateRow, ...]:
    """Price the shipped decisions at other true risk rates; best cut-offs are on the scale of shown probabilities."""
    wanted = loss_matrix_cuts(costs)
    rows = []
    for rate in sorted({*RATES, inputs.sample_rate, inputs.rate}):
        weights = prior_weights(inputs.labels, rate)[None, :]
        back = -prior_shift(inputs.rate, rate)
        found = [
            (
                worth(inputs.labels, proposed, reviewed, costs, weights),
                float((weights * reviewed).sum() / weights.sum()),
            )
            for proposed, reviewed in zip(shipped.proposed, shipped.reviewed, strict=True)
        ]
        means = {name: _mean([float(one[name][0]) for one, _ in found]) for name in found[0][0]}
        medium, high = shifted(np.array([wanted.medium, wanted.high]), back).tolist()
        rows.append(
            RateRow(
                risk_rate=rate,
                medium_share=float(np.mean([share for _, share in found])),
                high_share=means["flagged_share"] or 0.0,
                high_precision=means["precision"],
                high_recall=means["recall"],
                medium_cut=medium,
                high_cut=high,
                loss_per_customer=means["loss"] or 0.0,
            )
        )
    return tuple(rows)


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else None
