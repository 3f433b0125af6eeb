"""Names of a file's or a table's columns in messages: shortened, and with the known name that may be meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from customer_risk.model.escaping import list_names
from customer_risk.model.names import plain, quoted, with_meant

_LISTED: Final = 20  # names


def list_quoted(names: Iterable[str]) -> str:
    """Return the first names, each quoted and shortened, and how many more there are; "none" for no name."""
    return list_names(names, show=quoted) or "none"


def describe_ignored(ignored: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return ignored columns as a job shows them: the first 20, shortened, each with the name that may be meant."""
    by_plain = {plain(each): each for each in known}
    pairs = ((name, by_plain.get(plain(name))) for name in ignored)
    said = [with_meant(name, None if meant == name else meant) for name, meant in pairs]
    return tuple(said if len(said) <= _LISTED else [*said[:_LISTED], f"and {len(said) - _LISTED:,} more"])
