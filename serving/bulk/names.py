"""Names of a file's or a table's columns in messages: shortened, and compared with the names that are meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from customer_risk.model.escaping import MOST_CHARACTERS, shortened

_LISTED: Final = 20  # names
_NOT_COMPARED: Final = re.compile(r"[\W_]+")  # blanks, hyphens, underscores, byte order marks


def shown(name: str) -> str:
    """Return a name in quotes, shortened: a damaged header is one name of many kilobytes, often of customers' data."""
    # Blanks are shown: 'customer_id ' is another name than customer_id.
    return repr(name if len(name) <= MOST_CHARACTERS else shortened(name))


def listed(names: Sequence[str]) -> str:
    """Return the first names, each shortened, and how many more there are; "none" for no name."""
    return ", ".join(_first(list(map(shown, names)), _LISTED)) or "none"


def meant_by(name: str, known: Iterable[str]) -> str | None:
    """Return the known name from which a name differs only in case, blanks and punctuation, None if there is none."""
    plain = _plain(name)
    return next((each for each in known if each != name and _plain(each) == plain), None) if plain else None


def told(ignored: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return ignored columns as a job shows them: at most a few, shortened, each with the name that may be meant."""
    by_plain = {_plain(each): each for each in known}
    said = []
    for name in ignored:
        meant, text = by_plain.get(_plain(name)), shortened(name)
        if meant in {None, name}:
            said.append(text)
        else:
            said.append(f"{shown(name) if text == meant else text} (is {meant} meant?)")
    return tuple(_first(said, _LISTED))


def _first(texts: list[str], most: int) -> list[str]:
    return texts if len(texts) <= most else [*texts[:most], f"and {len(texts) - most:,} more"]


def _plain(name: str) -> str:
    return _NOT_COMPARED.sub("", name).casefold()
