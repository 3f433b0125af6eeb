"""Names of a file's or a table's columns in messages: shortened, and compared with the names that are meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from customer_risk.model.escaping import MOST_CHARACTERS, list_names, shortened

_LISTED: Final = 20  # names
_NOT_COMPARED: Final = re.compile(r"[\W_]+")  # blanks, hyphens, underscores, byte order marks


def quoted(name: object) -> str:
    """Return a name in quotes, shortened: a damaged header is one name of many kilobytes, often customers' data."""
    text = str(name)  # its blanks are shown: 'customer_id ' isn't customer_id
    return repr(text if len(text) <= MOST_CHARACTERS else shortened(text))


def list_quoted(names: Iterable[str]) -> str:
    """Return the first names, each quoted and shortened, and how many more there are; "none" for no name."""
    return list_names(names, show=quoted) or "none"


def similar_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name from which a name differs only in case, blanks and punctuation, None if there is none."""
    plain = _plain(name)
    return next((each for each in known if each != name and _plain(each) == plain), None) if plain else None


def describe_ignored(ignored: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return ignored columns as a job shows them: the first 20, shortened, each with the name that may be meant."""
    by_plain = {_plain(each): each for each in known}
    said = []
    for name in ignored:
        meant, text = by_plain.get(_plain(name)), shortened(name)
        if meant in {None, name}:
            said.append(text)
        else:
            said.append(f"{quoted(name) if text == meant else text} (is {meant} meant?)")
    return tuple(said if len(said) <= _LISTED else [*said[:_LISTED], f"and {len(said) - _LISTED:,} more"])


def _plain(name: str) -> str:
    return _NOT_COMPARED.sub("", name).casefold()
