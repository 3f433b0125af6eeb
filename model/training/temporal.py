"""The time-ordered view: the procedure trained on earlier customers and tested on later ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.evaluation.cohorts import NEVER, cohort_rows, week
from customer_risk.model.evaluation.intervals import all_metrics, interval, make_draws
from customer_risk.model.evaluation.results import TimePart, TimeView
from customer_risk.model.policy.thresholds import max_f1
from customer_risk.model.report.numbers import counted
from customer_risk.model.training.ablations import untuned

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from customer_risk.model.evaluation.results import Interval
    from customer_risk.model.training.study import Study

PARTS = (("train 70%", 0.0, 0.7), ("validate 15%", 0.7, 0.85), ("test 15%", 0.85, 1.0))
FEWEST = 10  # customers of each label that a part must have for metrics


def time_view(study: Study) -> TimeView:
    """Split the customers by first transaction, and test on each later part that has enough customers of each label."""
    dated = sorted((day, at) for at, day in enumerate(study.joined) if day is not None)
    order = np.array([at for _, at in dated], dtype=np.int64)
    parts, bare = [], []
    for title, start, end in PARTS:
        members = order[round(start * len(order)) : round(end * len(order))]
        earlier = order[: round(start * len(order))]
        metrics = _later(study, earlier, members) if start > 0 else None
        if start > 0 and metrics is None:
            bare.append(title)
        days = [study.joined[at] for at in members.tolist()]
        parts.append(
            TimePart(
                part=title,
                first=_day(days[0]) if days else None,
                last=_day(days[-1]) if days else None,
                customers=len(members),
                suspended=int(study.suspended[members].sum()),
                metrics=metrics,
            )
        )
    return TimeView(
        parts=tuple(parts),
        weeks=cohort_rows([week(day) for day in study.joined], study.suspended, study.draws.confidence),
        meaning=_meaning(study, parts, bare),
    )


def _later(study: Study, earlier: NDArray[np.int64], members: NDArray[np.int64]) -> dict[str, Interval] | None:
    """Train on the earlier customers and measure on the later; None if a side has too few of a label."""
    for side in (earlier, members):
        suspended = int(study.suspended[side].sum())
        if min(suspended, len(side) - suspended) < FEWEST:
            return None
    fitted = untuned(study)(study.table.rows(earlier), study.suspended[earlier], study.config.seed)
    labels = study.suspended[members]
    probabilities = fitted.probabilities(study.table.rows(members))
    cut = max_f1(study.suspended[earlier], fitted.inner_probabilities, np.ones(len(earlier)))
    settings = study.config.evaluation
    draws = make_draws(
        len(members), 1, draws=settings.bootstraps, confidence=settings.confidence, seed=study.config.seed
    )
    measured = all_metrics(labels, probabilities[None, :], draws, flagged=(probabilities >= cut)[None, :])
    return {name: interval(one, settings.confidence) for name, one in measured.items()}


def _meaning(study: Study, parts: list[TimePart], bare: list[str]) -> str:
    never = sum(day is None for day in study.joined)
    counts = " / ".join(str(part.suspended) for part in parts)
    aside = (
        f" {counted(never)} without a transaction {'has' if never == 1 else 'have'} no date and "
        f"{'is' if never == 1 else 'are'} left out."
        if never
        else ""
    )
    order = f"In order of the first transaction, the parts have {counts} suspended customers"
    if not bare:
        return f"{order}. Each later part is scored by a model fitted to the earlier parts.{aside}"
    return (
        f"{order}. Metrics of {' and '.join(bare)} are not computed: the part, or the parts before it, have fewer "
        f"than {FEWEST} customers of a label. The suspended share by week of joining shows the cause: customers who "
        "joined late haven't been detected yet. They look safe because their accounts are young. The figures in this "
        f"report don't apply to new customers in their first months.{aside}"
    )


def _day(day: date | None) -> str:
    return NEVER if day is None else f"{day:%Y-%m-%d}"
