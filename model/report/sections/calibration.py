"""The section on calibration and the portfolio's risk rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import (
    Block,
    Cell,
    Heading,
    Note,
    Paragraph,
    Section,
    Table,
    figures,
    fold,
    rows_of,
    words,
)
from customer_risk.model.report.numbers import cell, count, counted, listed, span, spoken, written
from customer_risk.model.report.plots import calibration as plot
from customer_risk.model.report.tables import absent, costs_badge, measured

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import CalibrationBin, RunResults


def section(results: RunResults) -> Section:
    """Show calibration with intervals, the choice of the method, and the effect of other risk rates."""
    decisions = results.decisions
    return Section(
        "calibration",
        "Calibration and the portfolio's risk rate",
        (
            Paragraph(
                "A probability of 0.30 should mean that three in ten such customers are risky. Cut-offs that are "
                "computed from costs are right only if this is true."
            ),
            *_bins(results),
            Heading("Calibration method"),
            *measured(results.calibration),
            Heading("Risk rate in use"),
            Paragraph(
                f"{decisions.rate_source} In the labelled sample {written(decisions.sample_rate, 'percent')} are "
                "suspended; probabilities are stated for a portfolio with "
                f"{written(decisions.portfolio_rate, 'percent')}. A labelled sample often has more risky customers "
                "than the portfolio, because the bank searched for them. Probabilities that are calibrated to the "
                "sample's rate are then too high."
            ),
            *_rates(results),
        ),
    )


def _bins(results: RunResults) -> tuple[Block, ...]:
    bins = results.calibration_bins
    if not bins:
        return (absent("Calibration by bin", "the run has no bins."),)
    return (
        Paragraph(_reading(results)),
        plot.calibration(results),
        fold(
            "The same as a table",
            Table(
                "Calibration by bin",
                figures("Mean prediction", "Observed share", "Customers"),
                rows_of(
                    (written(each.predicted, digits=3), cell(each.observed, digits=3), count(each.customers))
                    for each in bins
                ),
            ),
        ),
    )


def _reading(results: RunResults) -> str:
    bins = results.calibration_bins
    error = results.contenders[0].metrics.get("calibration_error")
    off = [each for each in bins if _outside(each)]
    text = (
        f"Over {counted(len(bins), 'bin')}, the calibration error is "
        f"{spoken(error, digits=3) if error else 'not computable'}. "
    )
    if not off:
        return text + "In every bin, the prediction is inside the interval of the observed share."
    misses = [
        f"{written(each.predicted)} (observed {written(each.observed.estimate)}, interval {span(each.observed)})"
        for each in off
    ]
    return (
        text + f"In {counted(len(off), 'bin')}, the prediction is outside the observed share's interval: at "
        f"{listed(misses)}. At {results.confidence:.0%} confidence, about "
        f"{written((1 - results.confidence) * len(bins), 'ratio')} of {counted(len(bins), 'bin')} would be outside by "
        "chance."
    )


def _outside(each: CalibrationBin) -> bool:
    low, high = each.observed.low, each.observed.high
    return low is not None and high is not None and not low <= each.predicted <= high


def _rates(results: RunResults) -> tuple[Block, ...]:
    rows = results.decisions.rate_sensitivity
    if not rows:
        return (absent("Other risk rates", "the run computed no sensitivity to the risk rate."),)
    used = min(rows, key=lambda row: abs(row.risk_rate - results.decisions.portfolio_rate))
    return (
        Table(
            "How the shipped cut-offs perform at other risk rates",
            (
                *words("True risk rate"),
                *figures("Medium", "High", "Precision of High", "Recall of High"),
                *figures("Best Medium cut-off", "Best High cut-off", "Loss per customer"),
            ),
            rows_of(
                (
                    Cell(written(row.risk_rate, "percent"), "the rate in use" if row is used else "", row is used),
                    written(row.medium_share, "percent"),
                    written(row.high_share, "percent"),
                    written(row.high_precision, "percent", digits=0),
                    written(row.high_recall, "percent", digits=0),
                    written(row.medium_cut),
                    written(row.high_cut),
                    written(row.loss_per_customer, "euro"),
                )
                for row in rows
            ),
            "Medium and High are shares of all customers. The best cut-offs are those that the loss matrix gives at "
            "that rate, for the shipped probabilities. The more they differ from the shipped cut-offs, the more a "
            "wrong rate costs.",
            badge=costs_badge(results),
        ),
        Note("If the rate changes", "Set portfolio.risk_rate and train again. The bundle's manifest states its rate."),
    )
