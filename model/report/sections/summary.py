"""Section 1: what a committee must know before it reads on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import Bullets, Heading, Note, Paragraph, Section, Tile, Tiles
from customer_risk.model.report.numbers import count, covers_zero, listed, of_customers, span, spoken, verdict, written

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import Interval, RunResults, SegmentRow, Strategy

SURPRISING = 0.05
UNUSABLE_FOR = (
    (
        "Deciding alone.",
        "The service proposes; a named human decides and signs. No answer may close an account by itself.",
    ),
    (
        "Proof of wrongdoing.",
        "A probability says how much a customer resembles those whom the bank suspended, not that anyone did anything.",
    ),
    (
        "Anything but off-boarding risk.",
        "Not for credit, pricing, marketing or employment; nobody measured it there.",
    ),
    (
        "Telling a customer why.",
        "Contributions and the investigator's wording stay inside; only the neutral customer wording may be shown.",
    ),
)


def section(results: RunResults) -> Section:
    """Return what the model does, how well, at which risk rate, and what it mustn't be used for."""
    notes = tuple(Note("Mind this", text, "warning") for text in results.notes)
    return Section(
        "summary",
        "Summary for the committee",
        (
            Paragraph(
                "From a customer's profile and transactions the model estimates the probability that the bank would "
                "suspend the customer for risk. From that follow a segment and an action: Low, nothing is done; "
                "Medium, an analyst reviews; High, an off-boarding may be proposed, and a named human decides."
            ),
            *notes,
            Tiles(_tiles(results)),
            Heading("What the numbers support"),
            Bullets(headlines(results)),
            Heading("What is asked of the committee"),
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
        _calibrated(results),
        ("Which risk rate holds.", results.decisions.rate_source),
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
        Tile("Customers learnt from", count(data.customers), f"{count(data.suspended)} of them suspended"),
        _tile(
            "Average precision", metrics.get("average_precision"), f"guessing: {written(results.decisions.sample_rate)}"
        ),
        _tile("ROC-AUC", metrics.get("roc_auc"), "guessing: 0.50"),
        _tile("Calibration error", metrics.get("calibration_error"), "0 is exact", digits=3),
        Tile(
            "Suspended among High",
            written(high.observed_rate.estimate, "percent", digits=0) if high else "not computable",
            f"{span(high.observed_rate, 'percent', digits=0)}; {count(round(high.customers, 1))} customers"
            if high
            else "",
        ),
        Tile(
            "Saved per customer",
            written(strategy.saved_per_customer.estimate, "euro", digits=0) if strategy else "not computable",
            f"{span(strategy.saved_per_customer, 'euro', digits=0)}, against flagging nobody" if strategy else "",
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
        "Of one suspended customer and one within appetite, drawn at random, the suspended one gets the higher "
        f"probability {spoken(area, 'percent', digits=0)} of the time. Average precision is {spoken(precision)}; "
        f"guessing would give {written(results.decisions.sample_rate)}."
    )
    if precision.low is not None and precision.high is not None:
        width = precision.high - precision.low
        if precision.low <= results.decisions.sample_rate:
            text += " The interval reaches down to guessing, so these tables don't prove that the model ranks at all."
        if width > 0.2:
            text += (
                f" That interval is {written(width)} wide, because only {count(results.data.suspended)} customers were "
                "suspended: take the estimate as rough."
            )
    pooled = metrics.get("average_precision_pooled")
    if pooled is not None and pooled.estimate is not None:
        text += (
            f" Ranked all folds together, which mixes scores of several fits, average precision is {spoken(pooled)}."
        )
    return "Ranking.", text


def _rivals(results: RunResults) -> tuple[tuple[str, str], ...]:
    names = {each.key: each.title for each in results.contenders}
    said = [
        verdict(
            each.difference,
            each.metric,
            first=results.contenders[0].title,
            second=names.get(each.baseline, each.baseline),
        )
        for each in results.differences
        if each.metric == "average_precision"
    ]
    if not said:
        return (("Against other methods.", "Not computable: the run holds no paired differences."),)
    return (("Against other methods, in the same folds.", " ".join(said)),)


def _calibrated(results: RunResults) -> tuple[str, str]:
    error = results.contenders[0].metrics.get("calibration_error")
    if error is None or error.estimate is None:
        return "Probabilities.", "How true the probabilities are is not computable from these tables."
    return (
        "Probabilities.",
        (
            f"Stated probabilities and observed shares lie {spoken(error, digits=3)} apart on average, at the sample's "
            "own risk rate."
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
                    f"{of_customers(round(high.customers, 1))} in {count(results.data.customers)} would be High (mean "
                    f"over repeats); of those, {spoken(high.observed_rate, 'percent', digits=0)} had been suspended. "
                    "The others are the reason why a corroborating transaction pattern and a human signature are "
                    "needed."
                ),
            )
        )
    if low is not None:
        said.append(
            (
                "Low.",
                (
                    f"{of_customers(round(low.customers, 1))} would be Low and left alone; "
                    f"{spoken(low.observed_rate, 'percent', digits=0)} of them had been suspended, which the model "
                    "would miss."
                ),
            )
        )
    return tuple(said)


def _worth(results: RunResults) -> tuple[str, str]:
    strategy = shipped(results)
    if strategy is None or strategy.saved_per_customer.estimate is None:
        return "Money.", "What the shipped cut-offs save is not computable from these tables."
    saved = strategy.saved_per_customer
    amount = spoken(saved, "euro")
    text = f"Under the configured costs the shipped cut-offs save {amount} a customer against flagging nobody"
    if covers_zero(saved):
        return "Money.", f"{text}; the interval covers 0, so a saving isn't proven."
    side = "a saving" if (saved.estimate or 0.0) > 0 else "a loss"
    return "Money.", f"{text}; the interval excludes 0, so {side} is supported, as far as the costs are right."


def _time(results: RunResults) -> tuple[str, str]:
    later = results.time_view.parts[1:]
    lacking = [part for part in later if part.metrics is None]
    if not later:
        return "Later customers.", "No time-ordered test: no customer has a dated first transaction."
    if lacking:
        told = listed(
            [f"{part.part}: {count(part.suspended)} suspended of {count(part.customers)}" for part in lacking]
        )
        return (
            "Later customers.",
            (
                f"The model could not be tested on all customers who joined after those it learnt from ({told}; each "
                "part needs ten of each kind). How it fares on new joiners is unknown until their outcomes are in."
            ),
        )
    told = "; ".join(
        f"{part.part}: average precision {spoken(part.metrics['average_precision'])}"
        for part in later
        if part.metrics and "average_precision" in part.metrics
    )
    return "Later customers.", f"Trained on the earlier customers and tested on the later ones: {told}."


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
    text = f"{len(computed)} of {len(gaps)} gaps between groups by gender, residence and age could be computed. "
    if wide:
        return (
            "Groups of customers.",
            f"{text}Wider than chance would make them: {listed(wide)}. The part on fairness shows them.",
        )
    return (
        "Groups of customers.",
        (
            f"{text}None is wider than chance alone would often make it; with groups this small, real gaps can stay "
            "hidden."
        ),
    )


MEASURES = {
    "parity": "flagged share",
    "true_positive": "true positive rate",
    "false_positive": "false positive rate",
    "equalized_odds": "equalized odds",
}


def _asked(results: RunResults) -> tuple[tuple[str, str], ...]:
    costs = results.decisions.costs
    named = (
        ("missed_risky", "a missed risky customer"),
        ("wrongly_flagged", "a wrongly flagged one"),
        ("review", "a review"),
    )
    money = ", ".join(f"{title} {written(costs[key], 'euro', digits=0)}" for key, title in named if key in costs)
    return (
        (
            "Confirm the costs.",
            f"The cut-offs follow from them: {money}. The part on costs shows what other ones change.",
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
        ("Name who signs.", "Every proposed off-boarding needs a name, a date, a decision and a note."),
    )


def _population(results: RunResults) -> tuple[str, str]:
    first, last = results.data.first_event, results.data.last_event
    when = f", active between {first} and {last}" if first and last else ""
    return (
        "Other customers than these.",
        (
            f"It learnt from {of_customers(results.data.customers)} of one bank{when}. Another market, product or year "
            "needs a new measurement first."
        ),
    )
