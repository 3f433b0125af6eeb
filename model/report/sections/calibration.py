"""Section 6: what a probability means, and at which risk rate it means it."""

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
from customer_risk.model.report.numbers import cell, count, listed, span, spoken, written
from customer_risk.model.report.plots import calibration as plot
from customer_risk.model.report.tables import absent, measured

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
                "A probability of 0.30 should mean that three in ten such customers are risky. Cut-offs that follow "
                "from costs need that."
            ),
            *_bins(results),
            Heading("Which method"),
            *measured(results.calibration),
            Heading("Which risk rate holds"),
            Paragraph(
                f"{decisions.rate_source} In the labelled sample {written(decisions.sample_rate, 'percent')} are "
                "suspended; probabilities are stated for a portfolio with "
                f"{written(decisions.portfolio_rate, 'percent')}. A labelled sample often holds more risky customers "
                "than the portfolio, because someone went looking for them; at the sample's rate every probability "
                "would then be too high."
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
                            Cell(count(round(each.customers, 1))),
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
    said = f"Over {len(bins)} bins the calibration error is {spoken(error, digits=3) if error else 'not computable'}. "
    if not off:
        return said + "In every bin the prediction lies within the observed share's interval."
    told = [
        f"{written(each.predicted)} (observed {written(each.observed.estimate)}, interval {span(each.observed)})"
        for each in off
    ]
    return (
        said + f"In {len(off)} of them the prediction lies outside the observed share's interval: at {listed(told)}. "
        f"At {results.confidence:.0%} confidence, about {written((1 - results.confidence) * len(bins), 'ratio')} of "
        f"{len(bins)} would do so by chance."
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
            "The shipped cut-offs, were the portfolio's true risk rate another one",
            (
                *words("True risk rate"),
                *figures("Medium", "High", "Precision of High", "Recall of High"),
                *figures("Medium cut-off asked for", "High cut-off asked for", "Loss per customer"),
            ),
            tuple(
                (
                    Cell(written(row.risk_rate, "percent"), "the rate that holds" if row is held else "", row is held),
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
            "Medium and High are shares of all customers. The cut-offs asked for are what the loss matrix would "
            "choose at that rate, on the probabilities as shipped: the further they lie from the shipped ones, the "
            "more a wrong rate costs.",
        ),
        Note(
            "If the rate changes",
            "Set portfolio.risk_rate and train again; the bundle's manifest states the rate it holds for.",
        ),
    )
