"""Section 8: what the model looks at, and how its reasons are worded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.features.catalogue import BY_NAME
from customer_risk.model.report.blocks import (
    Block,
    Bullets,
    Cell,
    Column,
    Fold,
    Heading,
    Paragraph,
    Section,
    Table,
    figures,
    words,
)
from customer_risk.model.report.numbers import cell, covers_zero, listed, of_customers, written
from customer_risk.model.report.plots import explanation
from customer_risk.model.report.sections.data import DIRECTIONS
from customer_risk.model.report.tables import absent

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import RunResults


FIRST = 8


def section(results: RunResults) -> Section:
    """Show global importance, the SHAP summary, the selection, and the reason codes."""
    return Section(
        "explanations",
        "Explanations",
        (
            Paragraph(
                "Each score is the sum of one contribution per feature and a constant, in log-odds: exact Shapley "
                "values of the trees, not an approximation. The reasons of a decision are its greatest contributions. "
                "They say what the model used, not what caused the risk."
            ),
            Heading("Which features matter"),
            *_importance(results),
            Heading("Which way they push"),
            *_summary(results),
            Heading("How features were selected"),
            *_selection(results),
            Heading("Reason codes"),
            *_codes(results),
        ),
    )


def _importance(results: RunResults) -> tuple[Block, ...]:
    if not results.importance:
        return (absent("Importance", "the run measured none."),)
    rows = explanation.ranked(results)
    certain = [
        each.feature for each in rows if not covers_zero(each.permutation) and (each.permutation.estimate or 0) > 0
    ]
    said = (
        "Shuffling one feature's values lowers average precision with an interval that excludes 0 for "
        f"{listed(certain)}. Of the others these data can't say that the model would rank worse without them; features "
        "that tell the same story stand in for one another."
        if certain
        else "For no single feature does the fall of average precision have an interval that excludes 0: the signal is "
        "spread over features that can stand in for one another, and the customers are few."
    )
    formulas = {each.feature: each.formula for each in results.distributions}
    first = tuple(
        (f"{each.feature}.", _wording(each.feature) or formulas.get(each.feature, "")) for each in rows[:FIRST]
    )
    return (
        Paragraph(said),
        explanation.importance(results),
        Paragraph(f"What an investigator reads of the first {len(first)}, a customer's value in the gap:"),
        Bullets(first),
        Fold(
            f"All {len(rows)} features of the model",
            (
                Table(
                    "Importance, out of fold",
                    (
                        *words("Feature", "Unit", "Constrained direction"),
                        *figures("Mean absolute contribution", "Fall of average precision", "Kept by selection"),
                    ),
                    tuple(
                        (
                            Cell(each.feature, formulas.get(each.feature, "")),
                            Cell(each.unit),
                            Cell(DIRECTIONS[each.direction]),
                            Cell(written(each.mean_abs_contribution, digits=3)),
                            cell(each.permutation, digits=3, strong=not covers_zero(each.permutation)),
                            Cell(written(each.selection_frequency, "percent", digits=0)),
                        )
                        for each in rows
                    ),
                    "Constrained direction: what a greater value may do to the risk, fixed before training. Kept by "
                    "selection: in how many of the outer folds.",
                ),
            ),
        ),
    )


def _summary(results: RunResults) -> tuple[Block, ...]:
    if not results.shap.features or not results.shap.contributions:
        return (absent("SHAP summary", "the run kept no sample of contributions."),)
    return (explanation.summary(results.shap),)


def _selection(results: RunResults) -> tuple[Block, ...]:
    if not results.selection:
        return (absent("Selection", "the run kept no record of it."),)
    kept = [each for each in results.selection if each.kept]
    return (
        Paragraph(
            f"{len(kept)} of {len(results.selection)} features are in the model. The selection is made anew inside "
            "each training fold, so the metrics pay for it."
        ),
        Fold(
            f"All {len(results.selection)} features and their fate",
            (
                Table(
                    "Selection of features",
                    (
                        *words("Feature", "In the model"),
                        *figures("Kept in folds"),
                        Column("Why", numeric=False, wide=True),
                    ),
                    tuple(
                        (
                            Cell(each.feature),
                            Cell("yes" if each.kept else "no"),
                            Cell(written(each.frequency, "percent", digits=0)),
                            Cell(each.reason),
                        )
                        for each in sorted(
                            results.selection, key=lambda one: (not one.kept, -one.frequency, one.feature)
                        )
                    ),
                ),
            ),
        ),
    )


def _codes(results: RunResults) -> tuple[Block, ...]:
    rows = []
    for name in results.features:
        known = BY_NAME.get(name)
        if known is None:
            rows.append((Cell(name.upper(), name), Cell("not in the catalogue"), Cell("not in the catalogue")))
        else:
            shown = Cell(known.customer, "neutral, so as not to tip off" if known.tips_off else "")
            rows.append((Cell(known.code, name), Cell(_wording(name)), shown))
    hidden = sum(1 for name in results.features if name in BY_NAME and BY_NAME[name].tips_off)
    return (
        Paragraph(
            f"Every feature has one code and two wordings. Of {len(results.features)} features, {hidden} could tip a "
            "customer off; their customer wording is neutral. The investigator's wording, values and contributions "
            "stay inside."
        ),
        Fold(
            f"All {of_customers(len(results.features), 'reason code')}",
            (
                Table(
                    "Reason codes",
                    words("Code", "For the investigator", "For the customer"),
                    tuple(rows),
                ),
            ),
        ),
    )


def _wording(name: str) -> str:
    """Return the investigator's sentence with a gap where a customer's value stands; nothing for an unknown feature."""
    known = BY_NAME.get(name)
    return known.with_gap() if known else ""
