"""What the catalogue says of one feature."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Unit = Literal["count", "EUR", "share", "hours", "days", "years", "ratio", "yes/no", "nats"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature, named once for documentation, computation, reasons, validation and drift.

    `direction` is the expected effect of a greater value on risk: +1 raises, -1 lowers, 0 unknown; training
    constrains the model to it. `low` and `high` bound what is plausible, in `unit`. `missing` says what NaN means,
    "never" where the value always exists. `sources` are the table columns that it rests on. `formula` defines it in
    words exact enough to compute it again. `investigator` is a sentence with `{value}` for analysts; `customer` one
    that may be shown to the customer. Where the mere mention could tip off, `tips_off` is true and `customer` is
    neutral. Features that are not `default` are left out of a model unless its configuration asks for them.
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

    def describe(self, value: float) -> str:
        """Fill the investigator's sentence with a value (NaN where missing)."""
        return self.investigator.replace("{value}", formatted(value, self.unit))


def formatted(value: float, unit: Unit) -> str:
    """Write a value with its unit for a person; NaN is 'not known'."""
    if math.isnan(value):
        return "not known"
    if unit == "yes/no":
        return "yes" if value else "no"
    return _WRITERS[unit](value)


_WRITERS: dict[Unit, Callable[[float], str]] = {
    "count": "{:,.0f}".format,
    "EUR": "EUR {:,.2f}".format,
    "share": "{:.0%}".format,
    "hours": "{:,.1f} hours".format,
    "days": "{:,.1f} days".format,
    "years": "{:,.0f} years".format,
    "ratio": "{:,.2f}".format,
    "nats": "{:.2f} nats".format,
}

NO_TRANSACTION = "no transaction"
BEGINNING_UNKNOWN = "no transaction, or the look-back left earlier ones out"
EVENTS = ("id", "type", "state", "direction", "created_at")
MONEY = (*EVENTS, "amount")


def feature(
    name: str,
    unit: Unit,
    direction: Literal[-1, 0, 1],
    bounds: tuple[float, float],
    formula: str,
    investigator: str,
    *,
    group: str,
    customer: str,
    sources: tuple[str, ...] = MONEY,
    missing: str = "never",
    tips_off: bool = True,
    default: bool = True,
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
    )
