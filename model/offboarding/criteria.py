"""Who is proposed for off-boarding: High by the model and a corroborating transaction pattern, never one alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from customer_risk.model.errors import ConfigError
from customer_risk.model.offboarding.patterns import FOUND, PATTERNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from customer_risk.model.config import Corroboration
    from customer_risk.model.offboarding.patterns import Pattern

Listing = Literal["off-boarding", "review: high without corroboration", "review: medium", ""]
FOUND_PATTERNS: Final = pl.Schema([("customer_id", pl.String), ("code", pl.String), *list(FOUND.items())[1:]])
_SHARES: Final = ("share", "margin", "quantile")
_MOST: Final = {
    "share": 1.0,
    "margin": 0.5,
    "quantile": 1.0,
    "until_hour": 12.0,
}  # beyond these a threshold has no meaning


@dataclass(frozen=True, slots=True)
class Declared:
    """A rule with the thresholds that the configuration declares."""

    rule: Pattern
    limits: Mapping[str, float]

    def tell(self, *, count: int, amount: float, share: float | None) -> str:
        """Word what was found at one customer."""
        limits = self._worded()
        return self.rule.sentence.format(
            **{name: limits[name] for name in limits.keys() - {"count", "amount", "share"}},
            **{f"threshold_{name}": worded for name, worded in limits.items()},
            count=count,
            transactions=f"{count} transaction{'s' if count != 1 else ''}",
            amount=_worded("amount", amount),
            share=_worded("share", share or 0.0),
        )

    def describe(self) -> str:
        """Word the declared thresholds."""
        return self.rule.limits.format(**self._worded())

    def _worded(self) -> dict[str, str]:
        return {name: _worded(name, value) for name, value in self.limits.items()}


@dataclass(frozen=True, slots=True)
class Criteria:
    """The declared rules, and how many must hold beside a High segment."""

    declared: tuple[Declared, ...]
    minimum: int

    def find(self, transactions: pl.DataFrame) -> pl.DataFrame:
        """Search for every declared pattern; return rows of FOUND_PATTERNS, in the rules' order, then by customer."""
        found = [
            one.rule.find(transactions, one.limits)
            .sort("customer_id")
            .select("customer_id", pl.lit(one.rule.code).alias("code"), pl.exclude("customer_id"))
            for one in self.declared
        ]
        return pl.concat([FOUND_PATTERNS.to_frame(), *found])

    def by_code(self) -> dict[str, Declared]:
        """Map each declared rule's code to it."""
        return {one.rule.code: one for one in self.declared}

    def listing(self, segment: pl.Expr, patterns: pl.Expr) -> pl.Expr:
        """Return the list that a customer is on, by the segment and the number of patterns found; "" for none."""
        names: tuple[Listing, Listing, Listing, Listing] = (
            "off-boarding",
            "review: high without corroboration",
            "review: medium",
            "",
        )
        return (
            pl.when((segment == "high") & (patterns >= self.minimum))
            .then(pl.lit(names[0]))
            .when(segment == "high")
            .then(pl.lit(names[1]))
            .when(segment == "medium")
            .then(pl.lit(names[2]))
            .otherwise(pl.lit(names[3]))
        )


def declare(corroboration: Corroboration) -> Criteria:
    """Make the criteria that a configuration declares.

    Raises ConfigError, naming every fault at once, for an unknown rule, a missing, unknown or meaningless
    threshold, and a minimum that the rules can't reach or that asks for no pattern at all.
    """
    known = {rule.code: rule for rule in PATTERNS}
    faults = [f"there is no rule {code}" for code in corroboration.rules if code not in known]
    for code, limits in corroboration.rules.items():
        if code in known:
            faults += [f"{code}.{fault}" for fault in _faults(known[code], limits)]
    if not 1 <= corroboration.minimum <= len(corroboration.rules):
        faults.append(
            f"minimum {corroboration.minimum} must be from 1 to the number of rules, {len(corroboration.rules)}"
        )
    if faults:
        raise ConfigError(
            f"The section corroboration can't be used: {'; '.join(faults)}.",
            remedy=f"The rules are {', '.join(known)}; model/defaults.yaml shows each with its thresholds.",
        )
    ordered = [rule for rule in PATTERNS if rule.code in corroboration.rules]
    return Criteria(
        tuple(Declared(rule, dict(corroboration.rules[rule.code])) for rule in ordered), corroboration.minimum
    )


def _faults(rule: Pattern, limits: Mapping[str, float]) -> list[str]:
    faults = [f"{name} is unknown" for name in limits.keys() - rule.thresholds.keys()]
    faults += [f"{name} is missing" for name in rule.thresholds if name not in limits]
    for name, value in limits.items():
        if not (math.isfinite(value) and 0 < value <= _MOST.get(name, math.inf)):
            faults.append(f"{name} is {value}, not greater than 0 and at most {_MOST.get(name, 'any finite number')}")
        elif name == "count" and (value != int(value) or value < 2):
            faults.append(f"count is {value}, not a whole number of 2 or more")
    return sorted(faults)


def _worded(name: str, value: float) -> str:
    if name in _SHARES:
        return f"{value:.0%}"
    if name == "amount":
        return f"{value:,.2f} EUR" if value != int(value) else f"{value:,.0f} EUR"
    return f"{value:g}"
