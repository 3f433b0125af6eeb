"""The section on cut-offs, costs and benefit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.report.blocks import (
    Block,
    Bullets,
    Cell,
    Heading,
    Note,
    Paragraph,
    Section,
    Table,
    figures,
    rows_of,
    words,
)
from customer_risk.model.report.loss import expected_loss
from customer_risk.model.report.numbers import (
    cell,
    count,
    counted,
    covers_zero,
    difference_span,
    digits_for,
    listed,
    spoken,
    written,
)
from customer_risk.model.report.plots import money
from customer_risk.model.report.tables import absent, costs_badge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from customer_risk.model.evaluation.results import Interval, RunResults, SegmentRow, Strategy

COSTS = {
    "missed_risky": ("A risky customer who stays", "euro"),
    "wrongly_flagged": ("A good customer who is off-boarded", "euro"),
    "review": ("One review by an analyst", "euro"),
    "review_catches": ("Share of risky customers that a review recognises", "percent"),
    "least_recall": ("Recall that the recall strategy must reach", "percent"),
    "reviews_per_week": ("Reviews that analysts can do in a week", "count"),
}


def section(results: RunResults) -> Section:
    """Compare strategies, show the cost of every cut-off, vary the costs, and state the action rule."""
    decisions = results.decisions
    return Section(
        "decisions",
        "Cut-offs, costs and benefit",
        (
            Paragraph(decisions.explanation),
            Paragraph(
                f"Shipped: Medium from {written(decisions.medium, digits=3)}, High from "
                f"{written(decisions.high, digits=3)}, on the portfolio's probability. Capacity assumes "
                f"{counted(decisions.customers_per_week)} a week ({decisions.customers_per_week_source})."
            ),
            _costs(results),
            Heading("Strategies"),
            *_strategies(results),
            Heading("Expected cost of every cut-off"),
            *_curve(results),
            Heading("Net benefit"),
            *_net_benefit(results),
            Heading("What if the costs change?"),
            *_sensitivity(results),
            Heading("Which High customers are proposed"),
            *_criteria(results),
        ),
    )


def _costs(results: RunResults) -> Table:
    rows = []
    for key, value in results.decisions.costs.items():
        title, form = COSTS.get(key, (key.replace("_", " ").capitalize(), "count"))
        match form:
            case "euro":
                shown = written(value, "euro", digits=0)
            case "percent":
                shown = written(value, "percent", digits=0)
            case _:
                shown = count(value)
        default = (
            "default, not confirmed" if results.decisions.unconfirmed and key in results.decisions.default_costs else ""
        )
        rows.append((Cell(title, key), Cell(shown, default)))
    return Table(
        "The configured costs and limits, per customer",
        (*words("What"), *figures("Value")),
        rows_of(rows),
        f"Confirmed by {results.decisions.costs_confirmed_by}." if results.decisions.costs_confirmed_by else "",
        badge=costs_badge(results),
    )


def _strategies(results: RunResults) -> tuple[Block, ...]:
    found = results.decisions.strategies
    if not found:
        return (absent("Strategies", "the run compared no strategies."),)
    behaviour = Table(
        "Strategies, out of fold: flagged customers. Each cut-off was chosen inside the training folds",
        (
            *words("Strategy"),
            *figures("Cut-off", "Flagged", "Precision", "Recall", "F1"),
            *figures("Found", "Wrongly flagged", "Missed", "Rightly not flagged"),
        ),
        rows_of(
            (
                _name(each),
                Cell(
                    "-" if each.threshold is None else written(each.threshold, digits=3),
                    "" if each.medium_threshold is None else f"review from {written(each.medium_threshold, digits=3)}",
                ),
                cell(each.flagged_share, "percent", digits=0),
                cell(each.precision, "percent", digits=0, why=_why_undefined(each)),
                cell(each.recall, "percent", digits=0),
                cell(each.f1, why=_why_undefined(each)),
                count(each.confusion.true_positive),
                count(each.confusion.false_positive),
                count(each.confusion.false_negative),
                count(each.confusion.true_negative),
            )
            for each in found
        ),
        "Flagged: High. Found: suspended and flagged. Wrongly flagged: within appetite and flagged. Missed: suspended "
        "and not flagged. Rightly not flagged: within appetite and not flagged. Counts are means over repeats, of "
        "customers in the tables. Precision, flagged share and money hold at the portfolio's rate.",
    )
    worth = Table(
        "The same strategies: costs and return",
        (
            *words("Strategy"),
            *figures("Reviews a week", "Net benefit", "Loss per customer", "Saved per customer", "Return on spending"),
        ),
        rows_of(
            (
                _name(each),
                Cell(count(each.reviews_per_week), _capacity(results, each)),
                cell(each.net_benefit, digits=3),
                cell(each.loss_per_customer, "euro"),
                _saving(each.saved_per_customer),
                cell(each.roi, "ratio", why="no money is spent"),
            )
            for each in found
        ),
        "Saved: compared with flagging no customer; in bold if the interval excludes 0. Return on spending (ROI): "
        "the avoided loss minus the cost of reviews and wrong decisions, divided by that cost. Net benefit: found "
        "customers minus wrongly flagged ones, weighted by the odds of the loss matrix, per customer (Vickers & Elkin "
        "2006).",
        badge=costs_badge(results),
    )
    return behaviour, worth, Note("Result", _reading(results))


def _saving(saved: Interval) -> Cell:
    """Return a saving with enough digits to show whether its interval includes 0; in bold if it excludes 0."""
    digits = digits_for(saved, form="euro")
    if saved.estimate is None:
        return cell(saved)
    bounds = difference_span(saved, "euro", digits=digits)
    return Cell(written(saved.estimate, "euro", digits=digits), bounds, strong=not covers_zero(saved))


def _name(strategy: Strategy) -> Cell:
    return Cell(strategy.title, "shipped" if strategy.shipped else "", strategy.shipped)


def _why_undefined(strategy: Strategy) -> str:
    return "no customer is flagged" if strategy.threshold is None else ""


def _capacity(results: RunResults, strategy: Strategy) -> str:
    capacity = results.decisions.costs.get("reviews_per_week")
    return "over capacity" if capacity is not None and round(strategy.reviews_per_week, 1) > capacity else ""


def _reading(results: RunResults) -> str:
    able = [each for each in results.decisions.strategies if each.saved_per_customer.estimate is not None]
    if not able:
        return "No strategy's saving is computable from these tables."
    best = max(able, key=lambda each: each.saved_per_customer.estimate or 0.0)
    shipped = next((each for each in able if each.shipped), None)
    text = f"The strategy that saves most is {best.title}: {spoken(best.saved_per_customer, 'euro')} per customer."
    if shipped is None:
        return text
    if shipped is not best:
        text += f" The shipped cut-offs save {spoken(shipped.saved_per_customer, 'euro')}."
    rivals = [
        each.title for each in able if each is not shipped and each.threshold is not None and _overlap(shipped, each)
    ]
    if rivals:
        text += (
            f" The interval of the shipped cut-offs overlaps with {'that' if len(rivals) == 1 else 'those'} of "
            f"{listed(rivals)}, so their order isn't certain."
        )
    over = [each.title for each in able if _capacity(results, each)]
    if over:
        text += f" {listed(over)} would need more reviews than analysts can do."
    return text


def _overlap(one: Strategy, other: Strategy) -> bool:
    a, b = one.saved_per_customer, other.saved_per_customer
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return True
    return a.low <= b.high and b.low <= a.high


def _curve(results: RunResults) -> tuple[Block, ...]:
    needed = {"missed_risky", "wrongly_flagged", "review"} - results.decisions.costs.keys()
    if needed:
        return (absent("Expected cost", f"the configuration has no cost for {listed(sorted(needed))}."),)
    return (
        Paragraph(
            "This curve assumes one cut-off: each customer at or above it is flagged, reviewed and off-boarded. The "
            "shipped segments aren't on the curve, because Medium is reviewed and not off-boarded. The table above "
            "has their cost."
        ),
        money.cost(expected_loss(results), results.decisions, badge=costs_badge(results)),
    )


def _net_benefit(results: RunResults) -> tuple[Block, ...]:
    if not results.decisions.decision_curve:
        return (absent("Decision curve", "the run computed no net benefit over thresholds."),)
    return (
        Paragraph(
            "The threshold probability sets how many wrongly flagged customers cost as much as one found risky "
            "customer saves. The model is useful where its line is above both others."
        ),
        money.net_benefit(results.decisions),
    )


def _sensitivity(results: RunResults) -> tuple[Block, ...]:
    rows = results.decisions.cost_sensitivity
    if not rows:
        return (absent("Other costs", "the run varied no costs."),)
    shown = results.decisions.strategies
    configured = (
        Cell("As configured", strong=True),
        Cell(written(results.decisions.medium), strong=True),
        Cell(written(results.decisions.high), strong=True),
        *(_saved(each.saved_per_customer.estimate, each.roi.estimate, strong=True) for each in shown),
    )
    changed: Iterator[tuple[str | Cell, ...]] = (
        (
            Cell(money.COSTS.get(row.cost, row.cost), f"x {row.factor:g} = {written(row.value, 'euro', digits=0)}"),
            written(row.medium_cut),
            written(row.high_cut),
            *(_saved(row.saved.get(each.key), row.roi.get(each.key)) for each in shown),
        )
        for row in rows
    )
    return (
        money.cost_map(results.decisions, badge=costs_badge(results)),
        Table(
            "One cost changed at a time: the resulting cut-offs, and each strategy's saving and return",
            (*words("Cost"), *figures("Medium from", "High from", *(each.title for each in shown))),
            rows_of((configured, *changed)),
            "The second line of a cell is the return on spending (ROI).",
            badge=costs_badge(results),
        ),
    )


def _saved(saved: float | None, roi: float | None, *, strong: bool = False) -> Cell:
    return Cell(written(saved, "euro"), "" if roi is None else f"ROI {written(roi, 'ratio')}", strong)


def _criteria(results: RunResults) -> tuple[Block, ...]:
    high = next((each for each in results.segments.rows if each.segment == "high"), None)
    wrong = None if high is None or high.observed_rate.estimate is None else 1 - high.observed_rate.estimate
    cost = results.decisions.costs.get("wrongly_flagged")
    needed = counted(results.criteria_minimum, "of the patterns below", "of the patterns below")
    said = [
        (
            "The action rule.",
            (
                f"Version {results.action_rule}: off-boarding is proposed for a High customer in whose transactions at "
                f"least {needed} {'is' if results.criteria_minimum == 1 else 'are'} found. An analyst reviews every "
                "other High customer and every Medium customer. Low means no action. The rule is frozen in the "
                "bundle's manifest, so the service and the lists use the same rule."
            ),
        ),
        (
            "How the rule relates to the figures above.",
            (
                "The figures above treat every High customer as proposed and off-boarded, as if each had enough "
                "patterns. Under the rule, the other High customers are reviewed instead. So fewer customers are "
                "proposed and fewer are wrongly off-boarded than the figures say, and the costs of High lie between "
                "those of a review and those of an off-boarding. The number of reviews stays the same: an analyst "
                "reviews each High customer in both cases."
            ),
        ),
        *_proposed(results, high),
        (
            "Why High alone isn't enough.",
            f"Of {counted(high.customers)} in High, {spoken(high.observed_rate, 'percent', digits=0)} had been "
            f"suspended. Off-boarding them all would be wrong for {written(wrong, 'percent', digits=0)}"
            + ("." if cost is None else f", at {written(cost, 'euro', digits=0)} each.")
            if high is not None and wrong is not None
            else "The share of High customers within appetite is not computable from these tables.",
        ),
        (
            "Why a person decides.",
            (
                "The list states for each customer the score, the reasons, the transactions that show the pattern, "
                "what speaks against it and how sure the model is. A person fills in the decision, the name, the date "
                "and the note."
            ),
        ),
        (
            "What the bank gains.",
            (
                "Analysts look first at the customers with the highest risk. The bank can justify each decision to the "
                "customer, the regulator and a court, and it loses fewer good customers."
            ),
        ),
    ]
    if not results.criteria:
        return Bullets(tuple(said)), absent("Patterns", "the run has no declared patterns.")
    return (
        Bullets(tuple(said)),
        Table(
            "Declared patterns",
            words("Pattern", "Why it supports a high score", "Thresholds"),
            rows_of((Cell(each.name, each.code), each.why, each.thresholds) for each in results.criteria),
        ),
    )


def _proposed(results: RunResults, high: SegmentRow | None) -> tuple[tuple[str, str], ...]:
    """Return how many High customers the rule would propose, and how many of them had been suspended."""
    found = results.proposed
    if found is None or high is None:
        return ()
    lead = "How many customers the rule would propose."
    of = f"Of {counted(high.customers)} in High (out of fold, means over repeats), "
    if not found.customers:
        return ((lead, f"{of}no customer shows enough patterns: an analyst would review them all."),)
    rest = count(max(high.customers - found.customers, 0.0))
    return (
        (
            lead,
            (
                f"{of}{count(found.customers)} would be proposed; "
                f"{spoken(found.observed_rate, 'percent', digits=0)} of these ({count(found.suspended)}) had been "
                f"suspended. An analyst would review the other {rest}."
            ),
        ),
    )
