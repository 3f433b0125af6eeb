"""The definition of one feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from customer_risk.model.features.values import Unit, in_sentence, with_noun

NO_TRANSACTION = "the customer made no transactions"
BEGINNING_UNKNOWN = "the customer made no transactions, or the earliest ones lie outside of the look-back"
NO_MONEY_IN = "no money came in"
NOT_STATED = "the profile doesn't state it"
EVENTS = ("id", "type", "state", "direction", "created_at")
MONEY = (*EVENTS, "amount")


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature. Documentation, reasons, validation and drift all use this definition.

    `direction` is the expected effect of a greater value on risk: +1 raises, -1 lowers, 0 unknown; training
    constrains the model to it. `low` and `high` bound what is plausible, in `unit`. `missing` says what NaN means, as a
    clause; "never" if the value always exists. `sources` are the table columns that it is computed from. `formula`
    defines it in words exact enough to compute it again. `meaning` is a short noun phrase without an article, or begins
    with "whether".

    `investigator` is a sentence for analysts, without a full stop. `{value}` in it is the value with its unit. Of a
    yes/no feature, it is the sentence for yes. `none` is the sentence for the value 0; if it is empty, "no money",
    "none" or "no transactions" is filled in. `noun` names what a count counts, in the singular; its plural ends in -s.

    `customer` is a sentence that may be shown to the customer. If a mention of the feature could tip off, `tips_off` is
    true and `customer` is neutral. Features that are not `default` are left out of a model unless its configuration
    asks for them.
    """

    name: str
    code: str
    group: str
    unit: Unit
    direction: Literal[-1, 0, 1]
    low: float
    high: float
    missing: str
    sources: tuple[str, ...]
    formula: str
    investigator: str
    customer: str
    tips_off: bool = True
    default: bool = True
    meaning: str = ""
    none: str = ""
    noun: str = ""

    def describe(self, value: float) -> str:
        """Return the sentence for analysts about a value; if it is NaN, the sentence says why it is missing."""
        if value != value:  # noqa: PLR0124  NaN alone differs from itself; a call would cost more
            return self._undetermined()
        if value == 0 and self.none:
            return self.none
        said = with_noun(value, self.noun) if self.noun else in_sentence(value, self.unit)
        sentence = self.investigator.replace("{value}", said)
        return _capitalised(sentence) if sentence[0].islower() else sentence

    def with_gap(self) -> str:
        """Return the sentence for analysts with an ellipsis instead of a value."""
        gap = "\N{HORIZONTAL ELLIPSIS}"
        return self.investigator.replace("{value}", f"{gap} {self.noun}s" if self.noun else gap)

    def _undetermined(self) -> str:
        subject = self.meaning if self.meaning.startswith("whether") else f"the {self.meaning}"
        return f"{_capitalised(subject)} can't be determined: {self.missing}"


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]


def feature(
    name: str,
    unit: Unit,
    direction: Literal[-1, 0, 1],
    bounds: tuple[float, float],
    formula: str,
    investigator: str,
    *,
    meaning: str,
    group: str,
    customer: str,
    sources: tuple[str, ...] = MONEY,
    missing: str = "never",
    tips_off: bool = True,
    default: bool = True,
    none: str = "",
    noun: str = "",
) -> Feature:
    """Make a feature whose reason code is its name in capitals."""
    low, high = bounds
    return Feature(
        name,
        name.upper(),
        group,
        unit,
        direction,
        low,
        high,
        missing,
        sources,
        formula,
        investigator,
        customer,
        tips_off,
        default,
        meaning,
        none,
        noun,
    )
