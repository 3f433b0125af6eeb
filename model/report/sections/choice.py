"""Section 4: why this method, from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.evaluation.results import METRICS
from customer_risk.model.report.blocks import (
    Block,
    Bullets,
    Cell,
    Column,
    Fold,
    Heading,
    Note,
    Paragraph,
    Section,
    Table,
    cells,
    figures,
    words,
)
from customer_risk.model.report.numbers import covers_zero, listed, verdict, written
from customer_risk.model.report.plots import comparison
from customer_risk.model.report.tables import DIFFERENCES, absent, compared, difference_cell, interval_note, measured

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults

HEADLINE = ("average_precision", "roc_auc")
NEEDS = (
    "What speaks for boosted trees whatever the numbers: they take missing values as they are, their direction can be "
    "constrained feature by feature, and their reasons are exact and computed in microseconds."
)


def section(results: RunResults) -> Section:
    """Compare the contenders in the same folds, and class weights with invented rows."""
    return Section(
        "choice",
        "Why XGBoost",
        (
            Paragraph(
                f"Every contender was judged in the same {results.folds} folds, {results.repeats} times over, on "
                "customers whom it had not seen; whatever is tuned, selected or calibrated was so inside the training "
                "folds."
            ),
            comparison.contenders(results),
            compared("Contenders in the same folds", results.contenders, note=interval_note(results)),
            Heading("Paired differences"),
            *_differences(results),
            Note("Choice", _choice(results)),
            Heading("Class weights, not invented customers"),
            Paragraph(
                "Suspended customers are few. Weights make each count for more; oversampling repeats or invents them, "
                "which can distort probabilities and puts customers into training who never existed. Both were "
                "measured."
            ),
            *measured(results.weighting),
            Heading("How its parameters were found"),
            *_search(results),
        ),
    )


def _differences(results: RunResults) -> tuple[Block, ...]:
    if not results.differences:
        return (absent("Paired differences", "the run compared no contenders."),)
    names = {each.key: each.title for each in results.contenders}
    shipped = results.contenders[0].title
    metrics = [metric for metric in METRICS if any(each.metric == metric for each in results.differences)]
    baselines = list(dict.fromkeys(each.baseline for each in results.differences))
    found = {(each.metric, each.baseline): each.difference for each in results.differences}
    said = [
        ("", verdict(each.difference, each.metric, first=shipped, second=names.get(each.baseline, each.baseline)))
        for each in results.differences
        if each.metric in HEADLINE
    ]
    return (
        Bullets(tuple(said)),
        Table(
            f"{shipped} minus each other contender, on the same resampled customers",
            (Column("Metric", numeric=False), *(Column(names.get(key, key)) for key in baselines)),
            tuple(
                (Cell(METRICS[metric]), *(difference_cell(found.get((metric, key))) for key in baselines))
                for metric in metrics
            ),
            DIFFERENCES,
        ),
    )


def _choice(results: RunResults) -> str:
    """Return what the average precision's differences support, and that the rest is a preference."""
    names = {each.key: each.title for each in results.contenders}
    better: list[str] = []
    level: list[str] = []
    worse: list[str] = []
    for each in results.differences:
        if each.metric == "average_precision":
            ahead = (each.difference.estimate or 0.0) > 0
            side = level if covers_zero(each.difference) else better if ahead else worse
            side.append(names.get(each.baseline, each.baseline))
    parts = []
    if better:
        parts.append(f"In average precision XGBoost beats {listed(better)}.")
    if level:
        parts.append(f"These data can't tell it from {listed(level)}, so against that the numbers alone don't decide.")
    if worse:
        parts.append(
            f"{listed(worse)} ranks better on these data: XGBoost is kept against the numbers, for what follows."
        )
    if not parts:
        parts.append("The run compared no contenders, so the numbers don't decide.")
    return " ".join([*parts, NEEDS])


def _search(results: RunResults) -> tuple[Block, ...]:
    tuning = results.tuning
    names = dict.fromkeys((*tuning.chosen, *results.parameters))
    chosen = Table(
        "Parameters",
        (*words("Parameter"), *figures("Chosen by the search", "Shipped")),
        tuple(
            cells(
                name, *(_parameter(side[name]) if name in side else "-" for side in (tuning.chosen, results.parameters))
            )
            for name in sorted(names)
        ),
        f"Objective: {tuning.objective}. Budget: {tuning.budget}.",
    )
    if not tuning.trials:
        return chosen, absent("Trials", "the search made none.")
    tried = sorted({name for trial in tuning.trials for name in trial.params})
    trials = Table(
        "Trials",
        (Column("Trial"), Column("State", numeric=False), Column("Value"), *(Column(name) for name in tried)),
        tuple(
            cells(
                str(trial.number),
                Cell(trial.state, "averaged into the model" if trial.averaged else ""),
                "stopped early" if trial.value is None else written(trial.value, digits=3),
                *(_parameter(trial.params.get(name, "")) for name in tried),
            )
            for trial in tuning.trials
        ),
    )
    return chosen, comparison.search(tuning.trials, tuning.objective), Fold("Every trial", (trials,))


def _parameter(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
