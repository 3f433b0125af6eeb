"""Section 7: which cut-offs, what they cost and save, and why the off-boarding criteria are as they are."""

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
    words,
)
from customer_risk.model.report.loss import expected_loss
from customer_risk.model.report.numbers import cell, count, covers_zero, listed, of_customers, spoken, written
from customer_risk.model.report.plots import money
from customer_risk.model.report.tables import absent

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults, Strategy

ONE_CUT = ("max_f1", "recall", "least_cost")
COSTS = {
    "missed_risky": ("A risky customer stays", "euro"),
    "wrongly_flagged": ("A good customer is off-boarded", "euro"),
    "review": ("One review by an analyst", "euro"),
    "review_catches": ("Share of the risky that a review recognises", "percent"),
    "least_recall": ("Recall that the recall strategy must reach", "percent"),
    "reviews_per_week": ("Reviews that can be done in a week", "count"),
}


def section(results: RunResults) -> Section:
    """Compare strategies, price every cut-off, vary the costs, and say how the criteria serve the business."""
    decisions = results.decisions
    return Section(
        "decisions",
        "Cut-offs, costs and benefit",
        (
            Paragraph(decisions.explanation),
            Paragraph(
                f"Shipped: Medium from {written(decisions.medium, digits=3)}, High from "
                f"{written(decisions.high, digits=3)}, on the portfolio's probability. Capacity is reckoned with "
                f"{count(round(decisions.customers_per_week, 1))} customers a week "
                f"({decisions.customers_per_week_source})."
            ),
            _costs(results),
            Heading("Strategies"),
            *_strategies(results),
            Heading("Expected cost of every cut-off"),
            *_curve(results),
            Heading("Net benefit"),
            *_net_benefit(results),
            Heading("What if the costs are other ones"),
            *_sensitivity(results),
            Heading("How the off-boarding criteria serve the business"),
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
        rows.append((Cell(title, key), Cell(shown)))
    return Table("The configured costs and limits, per customer", (*words("What"), *figures("Value")), tuple(rows))


def _strategies(results: RunResults) -> tuple[Block, ...]:
    found = results.decisions.strategies
    if not found:
        return (absent("Strategies", "the run judged none."),)
    behaviour = Table(
        "Strategies judged out of fold, each cut-off chosen inside the training folds: who is flagged",
        (
            *words("Strategy"),
            *figures("Cut-off", "Flagged", "Precision", "Recall", "F1", "Right", "Wrong", "Missed", "Left alone"),
        ),
        tuple(
            (
                _name(each),
                Cell(
                    "-" if each.threshold is None else written(each.threshold, digits=3),
                    "" if each.medium_threshold is None else f"review from {written(each.medium_threshold, digits=3)}",
                ),
                cell(each.flagged_share, "percent", digits=0),
                cell(each.precision, "percent", digits=0, why=_nobody(each)),
                cell(each.recall, "percent", digits=0),
                cell(each.f1, why=_nobody(each)),
                Cell(written(each.confusion.true_positive, "ratio")),
                Cell(written(each.confusion.false_positive, "ratio")),
                Cell(written(each.confusion.false_negative, "ratio")),
                Cell(written(each.confusion.true_negative, "ratio")),
            )
            for each in found
        ),
        "Right: suspended and flagged. Wrong: within appetite and flagged. Missed: suspended and not flagged. Left "
        "alone: within appetite and not flagged. Means over repeats. Precision, flagged share and money hold at the "
        "portfolio's rate.",
    )
    worth = Table(
        "The same strategies: what they cost and return",
        (
            *words("Strategy"),
            *figures(
                "Reviews a week", "Net benefit", "Loss per customer", "Saved per customer", "Return on what is spent"
            ),
        ),
        tuple(
            (
                _name(each),
                Cell(written(each.reviews_per_week, "ratio"), _capacity(results, each)),
                cell(each.net_benefit, digits=3),
                cell(each.loss_per_customer, "euro"),
                cell(each.saved_per_customer, "euro", strong=not covers_zero(each.saved_per_customer)),
                cell(each.roi, "ratio", why="nothing is spent"),
            )
            for each in found
        ),
        "Saved: against flagging nobody; in bold where its interval excludes 0. Return on what is spent (ROI): "
        "avoided loss less what reviews and wrong decisions cost, over that cost. Net benefit: right flags less "
        "wrong ones, weighted by the odds that the loss matrix sets, per customer (Vickers & Elkin 2006).",
    )
    return behaviour, worth, Note("Reading", _reading(results))


def _name(strategy: Strategy) -> Cell:
    return Cell(strategy.title, "shipped" if strategy.shipped else "", strategy.shipped)


def _nobody(strategy: Strategy) -> str:
    return "nobody is flagged" if strategy.threshold is None else ""


def _capacity(results: RunResults, strategy: Strategy) -> str:
    capacity = results.decisions.costs.get("reviews_per_week")
    return "over capacity" if capacity is not None and strategy.reviews_per_week > capacity else ""


def _reading(results: RunResults) -> str:
    able = [each for each in results.decisions.strategies if each.saved_per_customer.estimate is not None]
    if not able:
        return "No strategy's saving is computable from these tables."
    best = max(able, key=lambda each: each.saved_per_customer.estimate or 0.0)
    ours = next((each for each in able if each.shipped), None)
    text = f"Most is saved by {best.title}: {spoken(best.saved_per_customer, 'euro')} per customer."
    if ours is None:
        return text
    if ours is not best:
        text += f" The shipped cut-offs save {spoken(ours.saved_per_customer, 'euro')}."
    rivals = [each.title for each in able if each is not ours and each.threshold is not None and _overlap(ours, each)]
    if rivals:
        text += f" Its interval overlaps with those of {listed(rivals)}, so the order among them isn't certain."
    over = [each.title for each in able if _capacity(results, each)]
    if over:
        text += f" More reviews than can be done would be asked for by {listed(over)}."
    return text


def _overlap(one: Strategy, other: Strategy) -> bool:
    a, b = one.saved_per_customer, other.saved_per_customer
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return True
    return a.low <= b.high and b.low <= a.high


def _curve(results: RunResults) -> tuple[Block, ...]:
    needed = {"missed_risky", "wrongly_flagged", "review"} - results.decisions.costs.keys()
    if needed:
        return (absent("Expected cost", f"the configuration names no cost for {listed(sorted(needed))}."),)
    return (
        Paragraph(
            "One cut-off, everybody at or above it flagged, reviewed and off-boarded. The shipped segments aren't on "
            "this line, since Medium is reviewed and not off-boarded; the table above prices them."
        ),
        money.cost(expected_loss(results), results.decisions),
    )


def _net_benefit(results: RunResults) -> tuple[Block, ...]:
    if not results.decisions.decision_curve:
        return (absent("Decision curve", "the run computed no net benefit over thresholds."),)
    return (
        Paragraph(
            "The threshold probability says how many wrongly flagged customers one found risky customer is worth. The "
            "model is of use where its line lies above both others."
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
    changed = (
        (
            Cell(money.COSTS.get(row.cost, row.cost), f"x {row.factor:g} = {written(row.value, 'euro', digits=0)}"),
            Cell(written(row.medium_cut)),
            Cell(written(row.high_cut)),
            *(_saved(row.saved.get(each.key), row.roi.get(each.key)) for each in shown),
        )
        for row in rows
    )
    return (
        money.cost_map(results.decisions),
        Table(
            "One cost at a time changed: the cut-offs that follow, and what is saved and returned",
            (*words("Cost"), *figures("Medium from", "High from", *(each.title for each in shown))),
            (configured, *changed),
            "Under each saving stands its return on what is spent (ROI).",
        ),
    )


def _saved(saved: float | None, roi: float | None, *, strong: bool = False) -> Cell:
    return Cell(written(saved, "euro"), "" if roi is None else f"ROI {written(roi, 'ratio')}", strong)


def _criteria(results: RunResults) -> tuple[Block, ...]:
    high = next((each for each in results.segments.rows if each.segment == "high"), None)
    wrong = None if high is None or high.observed_rate.estimate is None else 1 - high.observed_rate.estimate
    cost = results.decisions.costs.get("wrongly_flagged")
    needed = "one" if results.criteria_minimum == 1 else str(results.criteria_minimum)
    said = [
        (
            "Two kinds of evidence.",
            (
                "A customer is proposed for off-boarding who is High by the model and at whom a declared transaction "
                f"pattern was found (at least {needed} of the patterns below). High without a pattern goes to the "
                "review list."
            ),
        ),
        (
            "Why not High alone.",
            f"Of {of_customers(round(high.customers, 1))} in High, {spoken(high.observed_rate, 'percent', digits=0)} "
            f"had been suspended: {written(wrong, 'percent', digits=0)} would be off-boarded wrongly"
            + ("." if cost is None else f", at {written(cost, 'euro', digits=0)} each.")
            if high is not None and wrong is not None
            else "How many of High are wrongly there is not computable from these tables.",
        ),
        (
            "Why a human.",
            (
                "The list states for each customer the score, the reasons, the transactions that show the pattern, "
                "what speaks against it and how sure the model is; the decision, name, date and note are filled in by "
                "a person."
            ),
        ),
        (
            "What it buys.",
            (
                "Analysts look first where loss and likelihood are greatest, every decision can be justified to the "
                "customer, the regulator and a court, and the bank pays for reviews rather than for lost good "
                "customers."
            ),
        ),
    ]
    if not results.criteria:
        return Bullets(tuple(said)), absent("Patterns", "the run states no declared patterns.")
    return (
        Bullets(tuple(said)),
        Table(
            "Declared patterns",
            words("Pattern", "Why it supports a high score", "Thresholds"),
            tuple((Cell(each.name, each.code), Cell(each.why), Cell(each.thresholds)) for each in results.criteria),
        ),
    )
