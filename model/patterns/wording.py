"""Words a pattern's thresholds, and what was found of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from customer_risk.model.patterns.definitions import BY_CODE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from customer_risk.model.patterns.definitions import Pattern

_SHARES: Final = ("share", "margin", "quantile")
_EUROS: Final = ("amount", "usual")


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of the pattern `code` with the thresholds `limits`, by name, as an action rule has them."""

    code: str
    limits: Mapping[str, float]
    _worded: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_worded", {name: _word(name, value) for name, value in self.limits.items()})

    @property
    def pattern(self) -> Pattern:
        """The pattern's definition."""
        return BY_CODE[self.code]

    def describe(self) -> str:
        """Return one line about the thresholds."""
        return self.pattern.limits.format(**self._worded)

    def tell(self, *, count: int, amount: float, share: float | None) -> str:
        """Return the sentence for an investigator about what was found at one customer."""
        worded = self._worded
        return self.pattern.sentence.format(
            **{name: worded[name] for name in worded.keys() - {"count", "amount", "share"}},
            **{f"threshold_{name}": text for name, text in worded.items()},
            count=count,
            transactions=f"{count} transaction{'s' if count != 1 else ''}",
            amount=_word("amount", amount),
            share=_word("share", share or 0.0),
        )


def _word(name: str, value: float) -> str:
    if name in _SHARES:
        return f"{value:.0%}"
    if name in _EUROS:
        return f"{value:,.2f} EUR" if value != int(value) else f"{value:,.0f} EUR"
    if name == "hours":
        return _word_hours(value)
    return f"{value:g}"


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
