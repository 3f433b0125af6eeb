"""What the catalogue says of one feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["count", "EUR", "share", "hours", "days", "ratio", "yes/no", "per hour", "nats"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature, named once for documentation, computation, reasons, validation and drift.

    `direction` is the expected effect of a greater value on risk: +1 raises, -1 lowers, 0 unknown; training constrains
    the model to it. `low` and `high` bound what is plausible, in `unit`. `missing` says what NaN means, "never" where
    the value always exists. `sources` are the table columns that it rests on. `formula` defines it in words exact enough
    to compute it again. `investigator` is a sentence with `{value}` for analysts; `customer` one that may be shown to the
    customer. Where the mere mention could tip off, `tips_off` is true and `customer` is neutral.
    """

    name: str
    code: str
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
