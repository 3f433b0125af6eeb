"""Compares a record with its replay, by one of two standards."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.patterns.found_pattern import FoundPattern
    from customer_risk.model.scoring.reasons import Reason
    from customer_risk.serving.contract.answer import WirePattern, WireReason

TOLERANCE: Final = 1e-9
Standard = Literal["bit for bit", "within 1e-9"]
_WORDED: Final = ("text", "investigator_text")  # texts have rounded numbers, in which a last bit may change a digit


class Difference(NamedTuple):
    """A field whose recorded and computed values differ."""

    field: str
    recorded: object
    computed: object


def compare_values(
    names: Sequence[str], recorded: NDArray[np.float64], computed: NDArray[np.float64], standard: Standard
) -> Iterator[Difference]:
    """Compare features float64[f], NaN where missing; bit for bit, 0.0 and -0.0 differ."""
    both_missing = np.isnan(recorded) & np.isnan(computed)  # all NaNs are equal
    if standard == "bit for bit":
        same = both_missing | (recorded.view(np.int64) == computed.view(np.int64))
    else:
        same = both_missing | np.isclose(recorded, computed, rtol=TOLERANCE, atol=TOLERANCE)
    for place in np.flatnonzero(~same).tolist():
        yield Difference(f"features.{names[place]}", _known(recorded[place]), _known(computed[place]))


def compare_numbers(field: str, recorded: Any, computed: Any, standard: Standard) -> Iterator[Difference]:
    """Compare two values: numbers by the standard, others must be equal."""
    if standard == "within 1e-9" and isinstance(recorded, float) and isinstance(computed, float):
        if not math.isclose(recorded, computed, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield Difference(field, recorded, computed)
    elif recorded != computed:
        yield Difference(field, recorded, computed)


def compare_reasons(
    recorded: Sequence[WireReason], computed: Sequence[Reason | WireReason], standard: Standard
) -> Iterator[Difference]:
    """Compare reasons one by one, in order; texts only with the standard bit for bit."""
    yield from _compare_lists("reasons", _plain(recorded), _plain(computed), _reason, standard)


def compare_patterns(
    recorded: Sequence[WirePattern], computed: Sequence[FoundPattern | WirePattern], standard: Standard
) -> Iterator[Difference]:
    """Compare patterns one by one, in order; texts only with the standard bit for bit."""
    yield from _compare_lists("patterns", _plain(recorded), _plain(computed), itemgetter("code"), standard)


def _compare_lists(
    field: str,
    before: Sequence[dict[str, Any]],
    now: Sequence[dict[str, Any]],
    name_of: Callable[[dict[str, Any]], str],
    standard: Standard,
) -> Iterator[Difference]:
    """Compare the items' names in order; if all names are equal, compare the items' fields."""
    if before == now:
        return
    order = list(zip_longest(map(name_of, before), map(name_of, now), fillvalue=""))
    if any(one != other for one, other in order):
        yield from (
            Difference(f"{field}[{place}]", one, other) for place, (one, other) in enumerate(order) if one != other
        )
        return
    for place, (one, other) in enumerate(zip(before, now, strict=True)):
        for name in one.keys() | other.keys():
            if standard == "bit for bit" or name not in _WORDED:
                yield from compare_numbers(f"{field}[{place}].{name}", one.get(name), other.get(name), standard)


def _plain(items: Sequence[object]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(each) for each in items]


def _reason(reason: dict[str, Any]) -> str:
    return f"{reason['code']} ({reason.get('feature', '')}, {reason['direction']})"


def _known(value: np.float64) -> float | None:
    return None if math.isnan(value) else float(value)
