"""The section on features and reason codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.features.catalogue import BY_NAME
from customer_risk.model.report.blocks import (
    Block,
    Bullets,
    Cell,
    Column,
    Heading,
    Paragraph,
    Section,
    Table,
    figures,
    fold,
    rows_of,
    words,
)
from customer_risk.model.report.numbers import counted, covers_zero, listed, written
from customer_risk.model.report.plots import explanation
from customer_risk.model.report.sections.data import DIRECTIONS
from customer_risk.model.report.tables import absent, difference_cell

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
                "Each score is the sum of a constant and one contribution per feature, in log-odds. The contributions "
                "are exact Shapley values of the trees, not an approximation. The reasons of a decision are its "
                "greatest contributions. They say what the model used, not what caused the risk."
            ),
            Heading("Which features matter"),
            *_importance(results),
            Heading("In which direction the features work"),
            *_summary(results),
            Heading("How features were selected"),
            *_selection(results),
            Heading("Reason codes"),
            *_codes(results),
        ),
    )


def _importance(results: RunResults) -> tuple[Block, ...]:
    if not results.importance:
        return (absent("Importance", "the run measured no importance."),)
    rows = explanation.ranked(results)
    certain = [
        each.feature for each in rows if not covers_zero(each.permutation) and (each.permutation.estimate or 0) > 0
    ]
    said = (
        "The values of one feature at a time were shuffled among customers. Average precision falls, with an interval "
        f"that excludes 0, for {listed(certain)}. For the other features, these data don't show that the model would "
        "rank worse without them: features with the same information can replace one another."
        if certain
        else "For each feature, the interval of the fall of average precision includes 0: features with the same "
        "information can replace one another, and there are few customers."
    )
    formulas = {each.feature: each.formula for each in results.distributions}
    first = tuple(
        (f"{each.feature}.", _wording(each.feature) or formulas.get(each.feature, "")) for each in rows[:FIRST]
    )
    return (
        Paragraph(said),
        explanation.importance(results),
        Paragraph(
            f"The investigator's wording of the first {counted(len(first), 'feature')}. The customer's value replaces "
            "the dots:"
        ),
        Bullets(first),
        fold(
            f"All features of the model ({len(rows)})",
            Table(
                "Importance, out of fold",
                (
                    *words("Feature", "Unit", "Constrained direction"),
                    *figures("Mean absolute contribution", "Fall of average precision", "Kept by selection"),
                ),
                rows_of(
                    (
                        Cell(each.feature, formulas.get(each.feature, "")),
                        each.unit,
                        DIRECTIONS[each.direction],
                        written(each.mean_abs_contribution, digits=3),
                        difference_cell(each.permutation),
                        written(each.selection_frequency, "percent", digits=0),
                    )
                    for each in rows
                ),
                "Constrained direction: how a greater value may change the risk, fixed before training. Kept by "
                "selection: in how many of the outer folds.",
            ),
        ),
    )


def _summary(results: RunResults) -> tuple[Block, ...]:
    if not results.shap.features or not results.shap.contributions:
        return (absent("SHAP summary", "the run has no sample of contributions."),)
    return (explanation.summary(results.shap),)


def _selection(results: RunResults) -> tuple[Block, ...]:
    if not results.selection:
        return (absent("Selection", "the run has no record of the selection."),)
    kept = [each for each in results.selection if each.kept]
    return (
        Paragraph(
            f"{len(kept)} of {counted(len(results.selection), 'feature')} {'is' if len(kept) == 1 else 'are'} in the "
            "model. The selection is repeated inside each training fold, so the metrics include its effect."
        ),
        fold(
            f"All features that could be selected ({len(results.selection)})",
            Table(
                "Selection of features",
                (*words("Feature", "In the model"), *figures("Kept in folds"), Column("Why", numeric=False, wide=True)),
                rows_of(
                    (
                        each.feature,
                        "yes" if each.kept else "no",
                        written(each.frequency, "percent", digits=0),
                        each.reason,
                    )
                    for each in sorted(results.selection, key=lambda one: (not one.kept, -one.frequency, one.feature))
                ),
            ),
        ),
    )


def _codes(results: RunResults) -> tuple[Block, ...]:
    rows: list[tuple[str | Cell, ...]] = []
    for name in results.features:
        known = BY_NAME.get(name)
        if known is None:
            rows.append((Cell(name.upper(), name), "not in the catalogue", "not in the catalogue"))
        else:
            shown = Cell(known.customer, "neutral, so that it doesn't tip the customer off" if known.tips_off else "")
            rows.append((Cell(known.code, name), _wording(name), shown))
    hidden = sum(1 for name in results.features if name in BY_NAME and BY_NAME[name].tips_off)
    return (
        Paragraph(
            f"Every feature has one code and two wordings. {_tipping(hidden, len(results.features))} The "
            "investigator's wording, values and contributions stay inside the bank."
        ),
        fold(
            f"All reason codes ({len(results.features)})",
            Table("Reason codes", words("Code", "For the investigator", "For the customer"), rows_of(rows)),
        ),
    )


def _tipping(hidden: int, features: int) -> str:
    if not hidden:
        return "No feature's wording could tip a customer off."
    if hidden == features:
        who = "The feature" if features == 1 else "Both features" if features == 2 else f"All {features} features"
    else:
        who = f"{hidden} of {features} features"
    return f"{who} could tip a customer off; {'its' if hidden == 1 else 'their'} customer wording is neutral."


def _wording(name: str) -> str:
    """Return the investigator's sentence with a gap for the customer's value; "" for an unknown feature."""
    known = BY_NAME.get(name)
    return known.with_gap() if known else ""
