"""The faults of a filled list in words: one message for all lines with the same fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_RANGES: Final = 10
_MOST_FAULTS: Final = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a line; `shown` is the value at fault, which may differ from line to line."""

    line: int
    customer_id: str
    field: str
    detail: str
    shown: str = ""


def tell(faults: Iterable[Fault]) -> tuple[str, ...]:
    """Return at most 20 messages, one for each field and detail, in the order of their first lines."""
    groups: dict[tuple[str, str], list[Fault]] = {}
    for fault in sorted(faults, key=lambda fault: fault.line):
        groups.setdefault((fault.field, fault.detail), []).append(fault)
    said = [_tell(group) for group in groups.values()]
    more = (f"and {len(said) - _MOST_FAULTS:,} more kinds of faults",) if len(said) > _MOST_FAULTS else ()
    return (*said[:_MOST_FAULTS], *more)


def _tell(group: list[Fault]) -> str:
    first = group[0]
    if len(group) == 1:
        shown = f": {first.shown}" if first.shown else ""
        return f"line {first.line}, customer {first.customer_id}, {first.field}: {first.detail}{shown}"
    shown = f"; in line {first.line}, customer {first.customer_id}: {first.shown}" if first.shown else ""
    return f"{len(group):,} lines ({ranges(one.line for one in group)}), {first.field}: {first.detail}{shown}"


def ranges(lines: Iterable[int]) -> str:
    """Return line numbers as ranges, at most 10, such as "1-3, 7"."""
    found: list[list[int]] = []
    for line in sorted(set(lines)):
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    said = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found[:_MOST_RANGES])
    more = sum(last - first + 1 for first, last in found[_MOST_RANGES:])
    return f"{said} and {more:,} more" if more else said
