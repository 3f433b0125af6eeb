"""The summary for the committee."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import Bullets, Heading, Note, Paragraph, Section, Tile, Tiles
from customer_risk.model.report.numbers import (
    NOT_COMPUTABLE,
    count,
    counted,
    covers_zero,
    difference_span,
    digits_for,
    inside,
    listed,
    span,
    spoken,
    verdict,
    were,
    written,
)
from customer_risk.model.report.sections import choice
from customer_risk.model.report.tables import costs_badge

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import Interval, RunResults, SegmentRow, Strategy

SURPRISING = 0.05
GUESSING = 0.5  # ROC-AUC
UNRANKED = "Don't rely on the score of a customer without transactions."
PRICES = {
    "missed_risky": "a missed risky customer",
    "wrongly_flagged": "a wrongly flagged customer",
    "review": "a review",
    "review_catches": "the share of risky customers that a review recognises",
}
UNUSABLE_FOR = (
    (
        "Automatic decisions.",
        "The service proposes; a named person decides and signs. Never close an account automatically.",
    ),
    (
        "Proof of wrongdoing.",
        (
            "A probability says how much a customer resembles those whom the bank suspended. It doesn't say that the "
            "customer did anything."
        ),
    ),
    (
        "Purposes other than off-boarding.",
        "Don't use it for credit, pricing, marketing or employment: it was not evaluated for these purposes.",
    ),
    (
        "Explanations for customers.",
        "Contributions and the investigator's wording stay inside the bank. Only the customer wording may be shown.",
    ),
)


def section(results: RunResults) -> Section:
    """Show what the model does, how well, at which risk rate, and what it must not be used for."""
    notes = (*_stamps(results), *(Note("Please note", text, "warning") for text in results.notes))
    return Section(
        "summary",
        "Summary for the committee",
        (
            Paragraph(
                "From a customer's profile and transactions the model estimates the probability that the bank would "
                "suspend the customer for risk. The probability gives the segment; the segment and the transaction "
                "patterns give the action. Low: no action. Medium: an analyst reviews. High with at least "
                f"{counted(results.criteria_minimum, 'transaction pattern')}: off-boarding is proposed, and a named "
                "person decides. Any other High customer: an analyst reviews."
            ),
            *notes,
            Tiles(_tiles(results)),
            Heading("What the numbers support"),
            Bullets(headlines(results)),
            Heading("What the committee must decide"),
            Bullets(_asked(results)),
            Heading("What it must not be used for"),
            Bullets((*UNUSABLE_FOR, _population(results))),
        ),
    )


def headlines(results: RunResults) -> tuple[tuple[str, str], ...]:
    """Return what the numbers support, each as a lead and its sentences."""
    return (
        _ranking(results),
        *_rivals(results),
        *_silent(results),
        _calibrated(results),
        ("Risk rate in use.", results.decisions.rate_source),
        *_segments(results),
        _worth(results),
        _time(results),
        _fair(results),
    )


def shipped(results: RunResults) -> Strategy | None:
    """Return the strategy that ships, if the run judged it."""
    return next((each for each in results.decisions.strategies if each.shipped), None)


def segment(results: RunResults, name: str) -> SegmentRow | None:
    """Return one segment's row."""
    return next((each for each in results.segments.rows if each.segment == name), None)


def _tiles(results: RunResults) -> tuple[Tile, ...]:
    metrics, data, high = results.contenders[0].metrics, results.data, segment(results, "high")
    strategy = shipped(results)
    return (
        Tile("Training customers", count(data.customers), f"{count(data.suspended)} of them suspended"),
        *_silent_tile(results),
        _tile(
            "Average precision", metrics.get("average_precision"), f"guessing: {written(results.decisions.sample_rate)}"
        ),
        _tile("ROC-AUC", metrics.get("roc_auc"), "guessing: 0.50"),
        _tile("Calibration error", metrics.get("calibration_error"), "0 is best", digits=3),
        Tile(
            "Suspended among High",
            written(high.observed_rate.estimate, "percent", digits=0) if high else "not computable",
            f"{span(high.observed_rate, 'percent', digits=0)}; {counted(high.customers)}" if high else "",
        ),
        Tile(
            "Saved per customer",
            written(strategy.saved_per_customer.estimate, "euro", digits=0) if strategy else "not computable",
            f"{span(strategy.saved_per_customer, 'euro', digits=0)}, compared with flagging no customer"
            if strategy
            else "",
            badge=costs_badge(results),
        ),
    )


def _tile(label: str, interval: Interval | None, detail: str, *, digits: int = 2) -> Tile:
    if interval is None:
        return Tile(label, "not computable", detail)
    bounds = span(interval, digits=digits)
    return Tile(label, written(interval.estimate, digits=digits), f"{bounds}; {detail}" if bounds else detail)


def _ranking(results: RunResults) -> tuple[str, str]:
    metrics = results.contenders[0].metrics
    area, precision = metrics.get("roc_auc"), metrics.get("average_precision")
    if area is None or area.estimate is None or precision is None or precision.estimate is None:
        return "Ranking.", "How well the model ranks customers is not computable from these tables."
    text = (
        "The model gives a suspended customer a higher probability than a customer within appetite in "
        f"{spoken(area, 'percent', digits=0)} of all pairs (ROC-AUC). Average precision is {spoken(precision)}; "
        f"guessing would give {written(results.decisions.sample_rate)}."
    )
    if precision.low is not None and precision.high is not None:
        width = precision.high - precision.low
        if precision.low <= results.decisions.sample_rate:
            text += (
                " The interval includes guessing, so these tables don't prove that the model is better than guessing."
            )
        if width > 0.2:
            text += (
                f" The interval is {written(width)} wide because only {counted(results.data.suspended)} "
                f"{were(results.data.suspended)} suspended: the estimate is rough."
            )
    pooled = metrics.get("average_precision_pooled")
    if pooled is not None and pooled.estimate is not None:
        text += (
            " Over the scores of all folds together, which come from different fits, average precision is "
            f"{spoken(pooled)}."
        )
    return "Ranking.", text


def _rivals(results: RunResults) -> tuple[tuple[str, str], ...]:
    names = {each.key: each.title for each in results.contenders}
    said = [
        verdict(
            each.difference,
            each.metric,
            first=results.contenders[0].title,
            second=inside(names.get(each.baseline, each.baseline)),
        )
        for each in results.differences
        if each.metric == "average_precision"
    ]
    if not said:
        return (("Against other methods.", "Not computable: the run has no paired differences."),)
    return (("Against other methods, in the same folds.", " ".join(said)),)


def _silent(results: RunResults) -> tuple[tuple[str, str], ...]:
    found = results.without_transactions
    if found is None:
        return ()
    lead, total = "Customers without transactions.", results.data.customers
    if not found.customers:
        return ((lead, "Every customer has a transaction."),)
    share = written(found.customers / total if total else None, "percent", digits=0)
    text = (
        f"{count(found.customers)} of {counted(total)} ({share}) {'has' if found.customers == 1 else 'have'} no "
        f"transaction; {count(found.suspended)} of these {were(found.suspended)} suspended. The model sees only their "
        "profile. "
    )
    area = found.metrics.get("roc_auc")
    if area is None or area.estimate is None:
        why = f" ({found.note})" if found.note else ""
        return (
            (lead, f"{text}Their ROC-AUC is not computable{why}, so it is unknown whether the model can rank them."),
        )
    text += f"Among them, ROC-AUC is {spoken(area)}; guessing gives 0.50. "
    return ((lead, f"{text}{_meaning(area)}"),)


def _meaning(area: Interval) -> str:
    """Return what a ROC-AUC shows about customers without transactions."""
    if area.low is None or area.high is None:
        return "No interval could be computed, so it is unknown whether the model can rank them."
    if area.low > GUESSING:
        return "The interval lies above 0.50: the model ranks them better than guessing."
    if area.high < GUESSING:
        return f"The interval lies below 0.50: the model ranks them worse than guessing. {UNRANKED}"
    return f"The interval includes 0.50: these tables don't show that the model can rank them. {UNRANKED}"


def _silent_tile(results: RunResults) -> tuple[Tile, ...]:
    found = results.without_transactions
    if found is None:
        return ()
    area, total = found.metrics.get("roc_auc"), results.data.customers
    share = written(found.customers / total if total else None, "percent", digits=0)
    known = area is not None and area.estimate is not None
    ranked = f"ROC-AUC among them: {spoken(area)}" if known and area is not None else "ROC-AUC not computable"
    return (Tile("Customers without transactions", count(found.customers), f"{share} of all; {ranked}"),)


def _calibrated(results: RunResults) -> tuple[str, str]:
    error = results.contenders[0].metrics.get("calibration_error")
    if error is None or error.estimate is None:
        return "Probabilities.", "The accuracy of the probabilities is not computable from these tables."
    return (
        "Probabilities.",
        (
            f"On average, the stated probability differs from the observed share by {spoken(error, digits=3)}, at the "
            "sample's risk rate."
        ),
    )


def _segments(results: RunResults) -> tuple[tuple[str, str], ...]:
    high, low = segment(results, "high"), segment(results, "low")
    said: list[tuple[str, str]] = []
    if high is not None:
        said.append(
            (
                "High.",
                (
                    f"{count(high.customers)} of {counted(results.data.customers)} would be High (mean over repeats); "
                    f"{spoken(high.observed_rate, 'percent', digits=0)} of them had been suspended. Because the others "
                    "had not, a proposal also needs a transaction pattern and a person's signature."
                ),
            )
        )
    if low is not None:
        said.append(
            (
                "Low.",
                (
                    f"{counted(low.customers)} would be Low, without any action; "
                    f"{spoken(low.observed_rate, 'percent', digits=0)} of them had been suspended. The model would "
                    "miss these."
                ),
            )
        )
    return tuple(said)


def _worth(results: RunResults) -> tuple[str, str]:
    strategy = shipped(results)
    if strategy is None or strategy.saved_per_customer.estimate is None:
        return "Money.", "What the shipped cut-offs save is not computable from these tables."
    saved = strategy.saved_per_customer
    digits = digits_for(saved, form="euro")
    bounds = difference_span(saved, "euro", digits=digits)
    gain = (saved.estimate or 0.0) >= 0
    text = (
        f"With the {'default' if results.decisions.unconfirmed else 'configured'} costs, the shipped cut-offs "
        f"{'save' if gain else 'lose'} {written(abs(saved.estimate or 0.0), 'euro', digits=digits)} per customer "
        f"compared with flagging no customer (interval of the saving {bounds or NOT_COMPUTABLE})"
    )
    if covers_zero(saved):
        return "Money.", f"{text}. The interval includes 0, so a saving isn't proven."
    side = "a saving" if gain else "a loss"
    assumed = "" if results.decisions.unconfirmed else " if the costs are right"
    said = f"{text}. The interval excludes 0, so {side} is supported{assumed}."
    if results.decisions.unconfirmed:
        said = f"{said[:-1]} if the costs are right. The costs are not confirmed."
    return "Money.", said


def _time(results: RunResults) -> tuple[str, str]:
    later = results.time_view.parts[1:]
    lacking = [part for part in later if part.metrics is None]
    if not later:
        return "Later customers.", "There was no time-ordered test: no customer has a dated first transaction."
    if lacking:
        parts = listed(
            [f"{part.part}: {count(part.suspended)} suspended of {count(part.customers)}" for part in lacking]
        )
        return (
            "Later customers.",
            (
                f"The model could not be tested on all customers who joined after the training customers ({parts}; "
                "each part needs ten suspended and ten other customers). Its performance on new customers is unknown "
                "until their outcomes are known."
            ),
        )
    described = "; ".join(
        f"{part.part}: average precision {spoken(part.metrics['average_precision'])}"
        for part in later
        if part.metrics and "average_precision" in part.metrics
    )
    return "Later customers.", f"Trained on the earlier customers and tested on the later ones: {described}."


def _fair(results: RunResults) -> tuple[str, str]:
    gaps = [(each.decision, gap) for each in results.fairness for gap in each.gaps]
    computed = [(decision, gap) for decision, gap in gaps if gap.by_chance is not None]
    if not computed:
        return (
            "Groups of customers.",
            "Gaps between groups are not computable: the groups are too small or not in the tables.",
        )
    wide = [
        f"{gap.attribute}, {MEASURES[gap.measure]}, {decision} ({written(gap.value, 'percent', digits=0)})"
        for decision, gap in computed
        if gap.by_chance is not None and gap.by_chance < SURPRISING
    ]
    text = f"{len(computed)} of {counted(len(gaps), 'gap')} by gender, residence and age could be computed. "
    if wide:
        return (
            "Groups of customers.",
            (f"{text}These gaps are unlikely by chance: {listed(wide)}. The section on fairness has details."),
        )
    return (
        "Groups of customers.",
        (f"{text}No gap is unlikely by chance. In small groups, a real gap can be impossible to prove."),
    )


MEASURES = {
    "parity": "flagged share",
    "true_positive": "true positive rate",
    "false_positive": "false positive rate",
    "equalized_odds": "equalized odds",
}


def _asked(results: RunResults) -> tuple[tuple[str, str], ...]:
    costs = results.decisions.costs
    named = ("missed_risky", "wrongly_flagged", "review")
    money = ", ".join(f"{PRICES[key]} {written(costs[key], 'euro', digits=0)}" for key in named if key in costs)
    return (
        (
            "Confirm the costs.",
            (
                f"The cut-offs and all amounts follow from them: {money}. The section on costs shows what other costs "
                f"would change. {_who_confirmed(results)}"
            ),
        ),
        (
            "Confirm the risk rate.",
            (
                "Probabilities are stated for a portfolio of which "
                f"{written(results.decisions.portfolio_rate, 'percent')} is risky."
            ),
        ),
        (
            "Accept or move the cut-offs.",
            f"Medium from {written(results.decisions.medium)}, High from {written(results.decisions.high)}.",
        ),
        ("Name the people who sign.", "Every proposed off-boarding needs a name, a date, a decision and a note."),
        *_method(results),
    )


def _who_confirmed(results: RunResults) -> str:
    decisions = results.decisions
    if decisions.costs_confirmed_by:
        return f"Confirmed by {decisions.costs_confirmed_by}."
    if not decisions.default_costs:
        return "The costs are the bank's own; the configuration doesn't say who confirmed them."
    names = [PRICES.get(each, each) for each in decisions.default_costs]
    return f"The costs are not confirmed. Defaults: {listed(names)}."


def _method(results: RunResults) -> tuple[tuple[str, str], ...]:
    text = choice.question(results)
    return (("Accept the method.", text),) if text else ()


def _stamps(results: RunResults) -> tuple[Note, ...]:
    """Return the warnings about synthetic data and unconfirmed costs."""
    found = []
    if results.provenance.synthetic:
        found.append(
            Note(
                "SYNTHETIC DATA",
                "This program made up every customer in the tables. The figures show how the report works, not how the "
                "model performs on a real bank's customers.",
                "warning",
            )
        )
    if results.decisions.unconfirmed:
        names = [PRICES.get(each, each) for each in results.decisions.default_costs]
        found.append(
            Note(
                costs_badge(results),
                f"Defaults: {listed(names)}. The cut-offs and all amounts of money in this report follow from these "
                "prices. Set the bank's own prices under costs, or state in report.costs_confirmed_by who confirmed "
                "the defaults.",
                "warning",
            )
        )
    return tuple(found)


def _population(results: RunResults) -> tuple[str, str]:
    first, last = results.data.first_event, results.data.last_event
    when = f", with events from {first} to {last}" if first and last else ""
    return (
        "Other portfolios.",
        (
            f"The model was trained on {counted(results.data.customers)} of one bank{when}. Evaluate it again before "
            "using it for another market, product or year."
        ),
    )
