"""Describes in words the thresholds of a pattern, and what was found of the pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from customer_risk.model.features.values import formatted
from customer_risk.model.patterns.definitions import BY_CODE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from customer_risk.model.patterns.definitions import Pattern

_SHARES: Final = ("share", "margin", "quantile")
_EUROS: Final = ("amount", "usual")
_LEFT: Final = {name: f"{{{name}}}" for name in ("count", "transactions", "amount", "share")}


class Wording:
    """The words of the pattern `code` with the thresholds `limits`, by name, as an action rule has them."""

    def __init__(self, code: str, limits: Mapping[str, float]) -> None:
        self.pattern: Pattern = BY_CODE[code]
        self.code = code
        self._worded = {name: _word(name, value) for name, value in limits.items()}
        thresholds = {f"threshold_{name}": text for name, text in self._worded.items()}
        # The thresholds are filled in once; what was found is left for `tell`.
        self._sentence = self.pattern.sentence.format_map({**self._worded, **thresholds, **_LEFT})

    def describe(self) -> str:
        """Return one line about the thresholds."""
        return self.pattern.limits.format_map(self._worded)

    def tell(self, *, count: int, amount: float, share: float | None) -> str:
        """Return the sentence for an investigator about what was found at one customer."""
        return self._sentence.format(
            count=count,
            transactions="1 transaction" if count == 1 else f"{count} transactions",
            amount=formatted(amount, "EUR"),
            share="" if share is None else formatted(share, "share"),
        )


def _word(name: str, value: float) -> str:
    if name in _SHARES:
        return f"{100 * value:.4g}%"
    if name in _EUROS:
        return formatted(value, "EUR")
    if name == "hours":
        return formatted(value, "hours")
    return f"{value:g}"
