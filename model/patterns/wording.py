"""Words a pattern's thresholds, and what was found of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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
            amount=_word_euros(amount),
            share="" if share is None else f"{share:.0%}",
        )


def _word(name: str, value: float) -> str:
    if name in _SHARES:
        return f"{value:.0%}"
    if name in _EUROS:
        return _word_euros(float(value))
    if name == "hours":
        return _word_hours(value)
    return f"{value:g}"


def _word_euros(value: float) -> str:
    return f"{value:,.0f} EUR" if value.is_integer() else f"{value:,.2f} EUR"


def _word_hours(hours: float) -> str:
    """Return a length of time as people say it: minutes below an hour, days from three whole days on."""
    if hours < 1:
        return _word_number(hours * 60, "minute")
    if hours >= 72 and hours % 24 == 0:
        return _word_number(hours / 24, "day")
    return _word_number(hours, "hour")


def _word_number(value: float, unit: str) -> str:
    text = f"{value:,.4g}" if value < 10_000 else f"{value:,.0f}"
    return f"{text} {unit}{'s' if text != '1' else ''}"
