"""What a probability means, and for which risk rate it is calibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import (
    Block,
    Cell,
    Fold,
    Heading,
    Note,
    Paragraph,
    Section,
    Table,
    figures,
    words,
)
from customer_risk.model.report.numbers import cell, count, counted, listed, span, spoken, written
from customer_risk.model.report.plots import calibration as plot
from customer_risk.model.report.tables import absent, costs_badge, measured

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import CalibrationBin, RunResults


def section(results: RunResults) -> Section:
    """Show calibration with intervals, the choice of method, and what another risk rate would change."""
    decisions = results.decisions
    return Section(
        "calibration",
        "Calibration and the portfolio's risk rate",
        (
            Paragraph(
                "A probability of 0.30 should mean that three in ten such customers are risky. Cut-offs that are "
                "computed from costs are right only then."
            ),
            *_bins(results),
            Heading("Which method"),
            *measured(results.calibration),
            Heading("Which risk rate is used"),
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
        return (absent("Calibration by bin", "the run holds no bins."),)
    return (
        Paragraph(_reading(results)),
        plot.calibration(results),
        Fold(
            "The same as a table",
            (
                Table(
                    "Calibration by bin",
                    figures("Mean prediction", "Observed share", "Customers"),
                    tuple(
                        (
                            Cell(written(each.predicted, digits=3)),
                            cell(each.observed, digits=3),
                            Cell(count(each.customers)),
                        )
                        for each in bins
                    ),
                ),
            ),
        ),
    )


def _reading(results: RunResults) -> str:
    bins = results.calibration_bins
    error = results.contenders[0].metrics.get("calibration_error")
    off = [each for each in bins if _outside(each)]
    said = (
        f"Over {counted(len(bins), 'bin')}, the calibration error is "
        f"{spoken(error, digits=3) if error else 'not computable'}. "
    )
    if not off:
        return said + "In every bin, the prediction is inside the interval of the observed share."
    told = [
        f"{written(each.predicted)} (observed {written(each.observed.estimate)}, interval {span(each.observed)})"
        for each in off
    ]
    return (
        said
        + f"In {counted(len(off), 'bin')}, the prediction is outside the observed share's interval: at {listed(told)}. "
        f"At {results.confidence:.0%} confidence, about {written((1 - results.confidence) * len(bins), 'ratio')} of "
        f"{counted(len(bins), 'bin')} would be outside by chance."
    )


def _outside(each: CalibrationBin) -> bool:
    low, high = each.observed.low, each.observed.high
    return low is not None and high is not None and not low <= each.predicted <= high


def _rates(results: RunResults) -> tuple[Block, ...]:
    rows = results.decisions.rate_sensitivity
    if not rows:
        return (absent("Other risk rates", "the run computed no sensitivity to the risk rate."),)
    held = min(rows, key=lambda row: abs(row.risk_rate - results.decisions.portfolio_rate))
    return (
        Table(
            "How the shipped cut-offs perform at other risk rates",
            (
                *words("True risk rate"),
                *figures("Medium", "High", "Precision of High", "Recall of High"),
                *figures("Best Medium cut-off", "Best High cut-off", "Loss per customer"),
            ),
            tuple(
                (
                    Cell(written(row.risk_rate, "percent"), "the rate in use" if row is held else "", row is held),
                    Cell(written(row.medium_share, "percent")),
                    Cell(written(row.high_share, "percent")),
                    Cell(written(row.high_precision, "percent", digits=0)),
                    Cell(written(row.high_recall, "percent", digits=0)),
                    Cell(written(row.medium_cut)),
                    Cell(written(row.high_cut)),
                    Cell(written(row.loss_per_customer, "euro")),
                )
                for row in rows
            ),
            "Medium and High are shares of all customers. The best cut-offs are those that the loss matrix would "
            "choose at that rate, with the shipped probabilities. The further they are from the shipped cut-offs, "
            "the more a wrong rate costs.",
            badge=costs_badge(results),
        ),
        Note(
            "If the rate changes",
            "Set portfolio.risk_rate and train again. The bundle's manifest states its rate.",
        ),
    )
