"""Quotes names of columns for messages, and finds the known name that a misspelt name may mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from customer_risk.model.escaping import MOST_CHARACTERS, list_names, shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_NOT_COMPARED: Final = re.compile(r"[\W_]+")  # blanks, hyphens, underscores, byte order marks


def quoted(name: object) -> str:
    """Return a name in quotes, shortened: in a damaged file, a name may be kilobytes of customers' data."""
    text = str(name)  # with its spaces: 'customer_id ' isn't customer_id
    return repr(text if len(text) <= MOST_CHARACTERS else shortened(text))


def plain(name: str) -> str:
    """Return the letters and digits of a name in lower case, to compare spellings."""
    return _NOT_COMPARED.sub("", name).casefold()


def similar_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that differs from a name only in case, blanks and punctuation; None if there isn't one."""
    letters = plain(name)
    return next((each for each in known if each != name and plain(each) == letters), None) if letters else None


def with_meant(name: str, meant: str | None) -> str:
    """Return a name, shortened, with the name that may be meant, if any."""
    text = shortened(name)
    if meant is None:
        return text
    return f"{text if text == name and name.isprintable() else quoted(name)} (is {meant} meant?)"


def list_with_meant(names: Iterable[str], known: Collection[str]) -> str:
    """Return a bounded list of names, each with the known name that may be meant; names with one come first."""
    pairs = sorted(((name, similar_name(name, known)) for name in names), key=lambda pair: pair[1] is None)
    return list_names([with_meant(name, meant) for name, meant in pairs], show=str)
