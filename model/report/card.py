"""The model card, with the sections of Mitchell et al. 2019."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.escaping import escape_text
from customer_risk.model.evaluation.results import METRICS
from customer_risk.model.report.numbers import count, counted, listed, spoken, times, written
from customer_risk.model.report.pages import environment, imprint, short_commit
from customer_risk.model.report.sections.limits import computed
from customer_risk.model.report.sections.segments import SEGMENT_ACTIONS
from customer_risk.model.report.sections.summary import MEASURES, SURPRISING, UNUSABLE_FOR, headlines, shipped
from customer_risk.model.report.tables import costs_badge

if TYPE_CHECKING:
    from customer_risk.model.evaluation.fairness import Fairness
    from customer_risk.model.evaluation.results import RunResults

SHOWN = ("average_precision", "roc_auc", "brier", "calibration_error", "precision", "recall")


def card(results: RunResults) -> str:
    """Return the model card as Markdown; the same results give the same text."""
    strategy, run = shipped(results), results.provenance
    return (
        environment()
        .get_template("model_card.md.j2")
        .render(
            results=results,
            run=run,
            libraries=", ".join(f"{name} {version}" for name, version in sorted(run.libraries.items())),
            notes=[plain(note) for note in results.notes],
            headlines=[(lead, plain(text)) for lead, text in headlines(results)],
            metrics=[(METRICS[name], _by_contender(results, name)) for name in SHOWN],
            contenders=[plain(each.title) for each in results.contenders],
            segments=[
                (
                    row.segment.capitalize(),
                    SEGMENT_ACTIONS.get(row.segment, row.action),
                    written(row.lowest, digits=3),
                    f"{count(row.customers)} ({written(row.share, 'percent', digits=0)})",
                    spoken(row.observed_rate, "percent", digits=0),
                )
                for row in results.segments.rows
            ],
            saved=spoken(strategy.saved_per_customer, "euro") if strategy else "not computable",
            costs=", ".join(f"{name} {count(value)}" for name, value in sorted(results.decisions.costs.items())),
            rate=written(results.decisions.portfolio_rate, "percent"),
            rate_source=plain(results.decisions.rate_source),
            excluded=", ".join(results.excluded_types) or "none",
            fairness=[(plain(each.decision), _gaps(each)) for each in results.fairness],
            unusable=[(lead, plain(text)) for lead, text in UNUSABLE_FOR],
            limits=[(lead, plain(text)) for lead, text in computed(results)]
            + [(f"{plain(limit.title).rstrip('.')}.", plain(limit.text)) for limit in results.limits],
            patterns="; ".join(f"{each.code} ({plain(each.thresholds)})" for each in results.criteria),
            features=len(results.features),
            parameters=", ".join(f"{name} {_short(value)}" for name, value in sorted(results.parameters.items())),
            confidence=written(results.confidence, "percent", digits=0),
            interval_method=plain(results.interval_method),
            count=count,
            counted=counted,
            times=times,
            imprint=[(name, plain(value)) for name, value in imprint(results)],
            costs_badge=costs_badge(results),
            commit=f"{run.git_commit.removesuffix('-dirty')}{short_commit(run.git_commit)[12:]}",
        )
    )


def plain(text: str) -> str:
    """Return text on one line, escaped so that it isn't read as Markdown or HTML."""
    escaped = escape_text(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "`*_[]|#":
        escaped = escaped.replace(mark, f"\\{mark}")
    return " ".join(escaped.split())


def _by_contender(results: RunResults, metric: str) -> list[str]:
    digits = 3 if metric in {"brier", "calibration_error"} else 2
    return [
        spoken(each.metrics[metric], digits=digits) if metric in each.metrics else "not computable"
        for each in results.contenders
    ]


def _gaps(fairness: Fairness) -> str:
    computed_ones = [gap for gap in fairness.gaps if gap.by_chance is not None]
    lacking = len(fairness.gaps) - len(computed_ones)
    if not computed_ones:
        return "no gap is computable, because the slices have too few customers"
    wide = [
        f"{gap.attribute}, {MEASURES[gap.measure]} ({written(gap.value, 'percent', digits=0)}, "
        f"higher in {gap.greatest} than in {gap.least})"
        for gap in computed_ones
        if gap.by_chance is not None and gap.by_chance < SURPRISING
    ]
    text = f"gaps that are unlikely by chance: {listed(wide)}" if wide else "no gap is unlikely by chance"
    return plain(f"{text}; {lacking} of {counted(len(fairness.gaps), 'gap')} not computable" if lacking else text)


def _short(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
