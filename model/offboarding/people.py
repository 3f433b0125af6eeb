"""The people who sign and approve: compares names, and checks people against the lists of allowed people."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLACEHOLDERS: Final = frozenset(
    ["anonymous", "auto", "automatic", "model", "n/a", "na", "nobody", "none", "nn", "system", "tbc", "tbd", "unknown"]
)
# Invisible characters outside the category Cf: fillers, variation selectors, the grapheme joiner and the empty Braille
# cell.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


@dataclass(frozen=True, slots=True)
class Person:
    """A person who signs or approves.

    `verified` is true if a token of `issuer` for `subject` proves the name. Otherwise the name is claimed.
    """

    name: str
    verified: bool = False
    issuer: str = ""
    subject: str = ""

    def is_named(self, name: str) -> bool:
        """Whether a name is the name of this person."""
        return same_name(self.name, name)

    def is_on(self, allowed: Sequence[str]) -> bool:
        """Whether a list of names and subjects includes this person; an empty list allows every person."""
        return not allowed or any(
            same_name(self.name, one) or (self.verified and one == self.subject) for one in allowed
        )

    def tell(self) -> str:
        """Return the name, and whether it is verified or claimed."""
        return f"{self.name} ({'verified' if self.verified else 'claimed'})"


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same, whatever their case, white space, width and invisible characters."""
    return _plain(one) == _plain(other)


def is_placeholder(text: str) -> bool:
    """Whether a text is a placeholder, such as n/a."""
    return visible(text).casefold().strip(".-/ ") in _PLACEHOLDERS


def is_name(text: str) -> bool:
    """Whether a text can be a person's name: it has at least two letters and isn't a placeholder."""
    return len(re.findall(r"[^\W\d_]", visible(text))) > 1 and not is_placeholder(text)


def visible(text: str) -> str:
    """Return a text without its invisible characters; white space stays."""
    return "".join(
        letter
        for letter in _INVISIBLE.sub("", text)
        if unicodedata.category(letter) not in {"Cc", "Cf"} or letter.isspace()
    )


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible(name)).casefold())
    return "".join(folded.split())  # an invisible character may take the place of a space
