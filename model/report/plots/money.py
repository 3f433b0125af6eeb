"""The plots of expected cost, of net benefit and of savings with other costs."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from customer_risk.model.report.blocks import Picture
from customer_risk.model.report.numbers import quantity, written
from customer_risk.model.report.plots.canvas import ACTIVE, INK, MUTED, SUSPENDED
from customer_risk.model.report.plots.marked_lines import mark_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from customer_risk.model.evaluation.results import Decisions, Strategy
    from customer_risk.model.report.loss import Curve

COSTS = {
    "missed_risky": "A missed risky customer",
    "wrongly_flagged": "A wrongly flagged customer",
    "review": "A review",
}
_MARKS = {"max_f1": "s", "recall": "^", "least_cost": "o"}


def cost(curve: Curve, decisions: Decisions, *, badge: str = "") -> Picture:
    """Draw the expected cost for each cut-off, and the cut-offs of the strategies."""
    chosen = [each for each in decisions.strategies if each.key in _MARKS and each.threshold is not None]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot(curve.cuts, curve.loss, color=ACTIVE, linewidth=2, label="Flag everyone at or above the cut-off")
        axes.axhline(curve.no_customer, color=MUTED, linestyle=":", label="Flag no customer")
        for each in chosen:
            axes.plot(
                each.threshold,
                curve.at(each.threshold or 0.0),
                marker=_MARKS[each.key],
                color=SUSPENDED,
                markeredgecolor=INK,
                markersize=9,
                linestyle="none",
                label=each.title,
                zorder=5,
            )
        axes.set(xlabel="Cut-off on the portfolio's probability", ylabel="Expected cost, EUR per customer", xlim=(0, 1))
        axes.set_ylim(0, None)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        cuts = ((decisions.medium, "Medium"), (decisions.high, "High"))
        mark_lines([axes], [(cut, f"{name} from {written(cut)}") for cut, name in cuts], width=5.0)

    least = int(np.argmin(curve.loss))
    described = "; ".join(f"{each.title}: {written(each.threshold)}" for each in chosen)
    return Picture(
        "expected-cost",
        caption="Expected cost per customer for each cut-off, out of fold, with the strategies' cut-offs.",
        alt=(
            f"Expected cost for each cut-off: least, {written(float(curve.loss[least]), 'euro')}, at "
            f"{written(float(curve.cuts[least]))}; flagging no customer costs {written(curve.no_customer, 'euro')}. "
            f"{described}."
        ),
        size=(9.2, 4.0),
        draw=draw,
        badge=badge,
    )


def net_benefit(decisions: Decisions) -> Picture:
    """Draw the decision curve of the model, of flagging every customer and of flagging no customer."""
    points = decisions.decision_curve

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        cuts = [each.threshold for each in points]
        model = np.array([each.model for each in points])
        axes.plot(cuts, model, color=ACTIVE, linewidth=2, label="The model")
        axes.plot(
            cuts, [each.everybody for each in points], color=SUSPENDED, linestyle="--", label="Flag all customers"
        )
        axes.axhline(0, color=MUTED, linestyle=":", label="Flag no customer")
        top = max(float(model.max()), 0.01)
        axes.set(xlabel="Threshold probability", ylabel="Net benefit per customer", ylim=(-0.4 * top, 1.15 * top))
        axes.legend(loc="upper right")

    better = [each.threshold for each in points if each.model > max(each.everybody, 0.0)]
    where = f"between {written(min(better))} and {written(max(better))}" if better else "at no threshold probability"
    return Picture(
        "net-benefit",
        caption=(
            "Decision curve: net benefit per customer of the model, of flagging every customer, and of flagging no "
            "customer."
        ),
        alt=f"Decision curve: the model is worth more than flagging every customer or no customer {where}.",
        size=(7.2, 3.6),
        draw=draw,
    )


def cost_map(decisions: Decisions, *, badge: str = "") -> Picture:
    """Draw each strategy's saving with the configured costs, and with each cost changed."""
    shown = [each for each in decisions.strategies if each.threshold is not None]
    rows: list[tuple[str, Mapping[str, float | None]]] = [
        ("As configured", {each.key: each.saved_per_customer.estimate for each in shown}),
        *(
            (f"{_title(row.cost)} x {row.factor:g} = EUR {quantity(row.value)}", dict(row.saved))
            for row in decisions.cost_sensitivity
        ),
    ]
    saved = np.array([[row.get(each.key) for each in shown] for _, row in rows], dtype=float)
    breaks = [
        0,
        *(at for at, (row, after) in enumerate(pairwise(decisions.cost_sensitivity), 1) if row.cost != after.cost),
    ]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        reach = float(np.nanmax(np.abs(saved), initial=0.0)) or 1.0
        image = axes.imshow(saved, cmap="RdBu", vmin=-reach, vmax=reach, aspect="auto")
        for (down, across), value in np.ndenumerate(saved):
            color = "white" if abs(value) > 0.6 * reach else INK
            text = "n/a" if np.isnan(value) else written(float(value), "ratio")
            axes.text(across, down, text, ha="center", va="center", fontsize=9, color=color)
        axes.set_xticks(range(len(shown)), [_wrapped(each) for each in shown])
        axes.set_yticks(range(len(rows)), [title for title, _ in rows])
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        for spine in axes.spines.values():
            spine.set_visible(False)
        for line in breaks:
            axes.axhline(line + 0.5, color="white", linewidth=4)
        figure.colorbar(image, ax=axes, label="Saved, EUR per customer", shrink=0.8)

    known = [
        (float(value), each.title, title)
        for (title, _), line in zip(rows, saved, strict=True)
        for value, each in zip(line, shown, strict=True)
        if not np.isnan(value)
    ]
    least = min(known, key=lambda found: found[0], default=None)
    described = (
        f"The least is {written(least[0], 'euro')} per customer: {least[1]}, {least[2]}."
        if least
        else "No saving is computable."
    )
    return Picture(
        "cost-sensitivity",
        caption="Savings of each strategy over flagging no customer: as configured, and with one cost changed.",
        alt=f"Savings by cost and strategy. {described}",
        size=(9.6, 0.36 * len(rows) + 1.4),
        draw=draw,
        badge=badge,
    )


def _title(cost: str) -> str:
    return COSTS.get(cost, cost.replace("_", " ").capitalize())


def _wrapped(strategy: Strategy) -> str:
    words, lines = strategy.title.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 16 and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
