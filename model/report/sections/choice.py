"""The section on the choice of XGBoost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from customer_risk.model.evaluation.results import LOWER_IS_BETTER, METRICS, in_words
from customer_risk.model.report.blocks import (
    Block,
    Bullets,
    Cell,
    Column,
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
from customer_risk.model.report.numbers import counted, covers_zero, inside, listed, times, verdict, written
from customer_risk.model.report.plots import comparison
from customer_risk.model.report.tables import DIFFERENCES, absent, compared, difference_cell, interval_note, measured

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults

HEADLINE = ("average_precision", "roc_auc")
GUESSING = "dummy"
FOR_XGBOOST = (
    ("Exact reasons, fast.", "Each score is the exact sum of one contribution per feature, computed in microseconds."),
    (
        "Monotone constraints.",
        "The direction in which a feature may move the risk can be fixed before training, feature by feature.",
    ),
    (
        "Missing values.",
        "A missing value is used as missing. No value is filled in for customers with few or no transactions.",
    ),
    ("Thresholds and combinations.", "Trees find them in the data. A linear model needs a feature for each of them."),
)
FOR_LOGISTIC = (
    ("Simpler.", "It has one weight per feature, which a validator can check by hand."),
    ("Fewer parameters.", "With few suspended customers, it overfits less."),
    ("Reasons.", "Its contributions are also exact: weight times value."),
)


def section(results: RunResults) -> Section:
    """Compare the contenders in the same folds, and class weights with invented rows."""
    return Section(
        "choice",
        title(results),
        (
            Note("What the numbers say", _numbers(results), "plain" if standing(results).leads else "warning"),
            Paragraph(
                f"Each method was evaluated in the same {counted(results.folds, 'fold')}, on customers who were not "
                f"in its training data. The cross-validation ran {times(results.repeats)}. Tuning, selection and "
                "calibration happened inside the training folds."
            ),
            comparison.contenders(results),
            compared("All methods in the same folds", results.contenders, note=interval_note(results)),
            Heading("Paired differences"),
            *_differences(results),
            Heading("Advantages of XGBoost"),
            Bullets(FOR_XGBOOST),
            Heading("Advantages of logistic regression"),
            Bullets((*FOR_LOGISTIC, *_ahead(results))),
            Heading("Class weights instead of invented customers"),
            Paragraph(
                "Few customers are suspended. Weights give each of them more influence. Oversampling repeats them or "
                "invents new ones, which can distort probabilities and adds customers who never existed. Both were "
                "measured."
            ),
            *measured(results.weighting),
            Heading("How the parameters were found"),
            *_search(results),
        ),
    )


def _differences(results: RunResults) -> tuple[Block, ...]:
    if not results.differences:
        return (absent("Paired differences", "the run compared no methods."),)
    names = {each.key: each.title for each in results.contenders}
    shipped = results.contenders[0].title
    metrics = [metric for metric in METRICS if any(each.metric == metric for each in results.differences)]
    baselines = list(dict.fromkeys(each.baseline for each in results.differences))
    found = {(each.metric, each.baseline): each.difference for each in results.differences}
    said = [
        (
            "",
            verdict(
                each.difference, each.metric, first=shipped, second=inside(names.get(each.baseline, each.baseline))
            ),
        )
        for each in results.differences
        if each.metric in HEADLINE
    ]
    return (
        Bullets(tuple(said)),
        Table(
            f"{shipped} minus each other method, on the same resampled customers",
            (Column("Metric", numeric=False), *(Column(names.get(key, key)) for key in baselines)),
            rows_of(
                (METRICS[metric], *(difference_cell(found.get((metric, key))) for key in baselines))
                for metric in metrics
            ),
            DIFFERENCES,
        ),
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """The titles of the other methods, without guessing, by how XGBoost compares with them in average precision."""

    behind: tuple[str, ...]  # XGBoost is ahead of them, and the interval excludes 0
    level: tuple[str, ...]  # the interval includes 0
    ahead: tuple[str, ...]  # XGBoost is behind them, and the interval excludes 0

    @property
    def leads(self) -> bool:
        """Whether XGBoost is ahead of every other method."""
        return bool(self.behind) and not self.level and not self.ahead


def standing(results: RunResults) -> Standing:
    """Return how XGBoost compares with the other methods."""
    names = {each.key: each.title for each in results.contenders}
    found: dict[str, list[str]] = {"behind": [], "level": [], "ahead": []}
    for each in results.differences:
        if each.metric == "average_precision" and each.baseline != GUESSING:
            better = (each.difference.estimate or 0.0) > 0
            side = "level" if covers_zero(each.difference) else "behind" if better else "ahead"
            found[side].append(inside(names.get(each.baseline, each.baseline)))
    return Standing(**{side: tuple(titles) for side, titles in found.items()})


def title(results: RunResults) -> str:
    """Return the section's title, which says whether XGBoost ranks best, shows no lead or ranks worse."""
    found = standing(results)
    if found.ahead:
        return f"Why XGBoost, although {_ranks(found.ahead)} better"
    if found.level:
        return f"Why XGBoost, although it shows no lead over {listed(found.level)}"
    return "Why XGBoost: it ranks best" if found.behind else "Why XGBoost"


def question(results: RunResults) -> str:
    """Return what the committee must decide if the numbers don't support XGBoost; "" if XGBoost leads."""
    found = standing(results)
    if found.ahead:
        return (
            f"XGBoost was chosen although {_ranks(found.ahead)} better. Decide whether its other advantages justify "
            "that."
        )
    if found.level:
        return (
            f"XGBoost was chosen although it shows no lead over {listed(found.level)}. Decide whether its other "
            "advantages justify that."
        )
    return ""


def _numbers(results: RunResults) -> str:
    found = standing(results)
    parts = []
    if found.ahead:
        parts.append(
            f"{_capital(_ranks(found.ahead))} better than XGBoost on these tables, and the interval excludes 0. The "
            "numbers don't support XGBoost."
        )
    if found.level:
        parts.append(
            f"These tables don't show whether XGBoost or {listed(found.level)} ranks better: the interval of the "
            "difference in average precision includes 0."
        )
    if found.behind:
        parts.append(f"XGBoost ranks better than {listed(found.behind)}, and the interval excludes 0.")
    if not parts:
        return "The run compared no methods, so no numbers support the choice."
    if not found.leads:
        parts.append("XGBoost was chosen for the reasons listed below.")
    return " ".join(parts)


def _ahead(results: RunResults) -> tuple[tuple[str, str], ...]:
    """Return in which metrics logistic regression has the better estimate, and whether the interval excludes 0."""
    better: list[str] = []
    beyond: list[str] = []
    for each in results.differences:
        estimate = each.difference.estimate
        if each.baseline != "logistic_regression" or estimate is None or not estimate:
            continue
        if (estimate > 0) == (each.metric in LOWER_IS_BETTER):
            (better if covers_zero(each.difference) else beyond).append(in_words(each.metric))
    found = []
    if beyond:
        found.append(("Better on these tables.", f"The interval excludes 0 in {listed(beyond)}."))
    if better:
        found.append(("Better estimates.", f"In {listed(better)}; the intervals include 0, so this can be chance."))
    return tuple(found)


def _ranks(titles: tuple[str, ...]) -> str:
    return f"{listed(titles)} {'rank' if len(titles) > 1 else 'ranks'}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _search(results: RunResults) -> tuple[Block, ...]:
    tuning = results.tuning
    names = dict.fromkeys((*tuning.chosen, *results.parameters))
    chosen = Table(
        "Parameters",
        (*words("Parameter"), *figures("Chosen by the search", "Shipped")),
        rows_of(
            (name, *(_parameter(side[name]) if name in side else "-" for side in (tuning.chosen, results.parameters)))
            for name in sorted(names)
        ),
        f"Objective: {tuning.objective}. Budget: {tuning.budget}.",
    )
    if not tuning.trials:
        return chosen, absent("Trials", "the search made no trials.")
    tried = sorted({name for trial in tuning.trials for name in trial.params})
    trials = Table(
        "Trials",
        (Column("Trial"), Column("State", numeric=False), Column("Value"), *(Column(name) for name in tried)),
        rows_of(
            (
                str(trial.number),
                Cell(trial.state, "averaged into the model" if trial.averaged else ""),
                "stopped early" if trial.value is None else written(trial.value, digits=3),
                *(_parameter(trial.params.get(name, "")) for name in tried),
            )
            for trial in tuning.trials
        ),
    )
    return chosen, comparison.search(tuning.trials, tuning.objective), fold("Every trial", trials)


def _parameter(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
