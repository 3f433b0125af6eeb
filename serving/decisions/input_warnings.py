"""Warnings in answers about input that was accepted but may be a mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_risk.model.features.columns import History
from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.scoring.compiled import compiled
from customer_risk.serving.contract.pointers import pointer_to

MOST_WARNINGS: Final = 50  # in one answer
# The important ones first: a caller may read only the first few.
WARNINGS: Final = (
    "RULES_ANSWERED",
    "HISTORY_CUT",
    "FUTURE_TIME",
    "REPEATED_ROW",
    "UNKNOWN_FIELD",
    "UNKNOWN_CATEGORY",
    "IMPLAUSIBLE_VALUE",
    "DEFAULT_TAKEN",
    "MORE_WARNINGS",
)
_ORDER: Final = {code: place for place, code in enumerate(WARNINGS)}
CLOCK_SKEW_SECONDS = 300  # how far a caller's clock may be ahead before its times count as future
_AT_ROW = re.compile(r"^/transactions/(\d+)/([^/]+)$")


def find_input_warnings(history: History, *, complete: bool, now: float) -> tuple[InputWarning, ...]:
    """Return warnings about a valid request's transactions; `now` is in seconds since 1970. Pointers are by row."""
    found = [] if complete else [history_cut()]
    if not history.distinct:
        found += _repeated(history)
    horizon = int((now + CLOCK_SKEW_SECONDS) * 1e6)
    if any_after(history.created, horizon):
        future = np.flatnonzero(history.created > horizon).tolist()
        number = _count(future, "transaction")
        detail = f"{number} created in the future; scored as sent: time windows end at the last transaction."
        found.append(InputWarning("FUTURE_TIME", pointer_to("/transactions", future[0], "created_at"), detail))
    return tuple(found)


def left_out(pointer: str, taken: str) -> InputWarning:
    """Return the warning that a field was left out, with the default that was used."""
    return InputWarning("DEFAULT_TAKEN", pointer, f"Left out; scored as {taken}.")


def profile_left_out(names: Sequence[str]) -> InputWarning:
    """Return one warning about all fields that a profile left out; for several, it points at the profile."""
    if len(names) == 1:
        return left_out(pointer_to("/profile", names[0]), "unknown")
    detail = f"{len(names)} fields left out; each scored as unknown: {', '.join(names)}."
    return InputWarning("DEFAULT_TAKEN", "/profile", detail)


def history_cut() -> InputWarning:
    """Return the warning that the history is incomplete."""
    detail = "history_complete is false: transactions that weren't sent don't affect the score."
    return InputWarning("HISTORY_CUT", "/history_complete", detail)


def unknown_fields(pointers: Iterable[str], *, more: int = 0) -> list[InputWarning]:
    """Return a warning for each unknown field in `pointers`, and before them one that counts all if there are `more`.

    The first warning of a code is always listed, so that the answer has the number of fields.
    """
    found = [InputWarning("UNKNOWN_FIELD", pointer, "Unknown field; ignored.") for pointer in pointers]
    if more:
        detail = f"{more + len(found):,} unknown fields; all were ignored."
        found.insert(0, InputWarning("UNKNOWN_FIELD", "", detail))
    return found


def important_first(warnings: Sequence[InputWarning]) -> tuple[InputWarning, ...]:
    """Return at most MOST_WARNINGS warnings, the most important first; a last one counts those that were dropped.

    The first of each code is always listed.
    """
    kept, more = list(warnings), len(warnings) - MOST_WARNINGS
    if more > 0:
        firsts = {each.code: place for place, each in reversed(tuple(enumerate(warnings)))}
        order = sorted(range(len(warnings)), key=lambda place: firsts[warnings[place].code] != place)
        kept = [warnings[place] for place in sorted(order[:MOST_WARNINGS])]
    kept.sort(key=lambda each: _ORDER.get(each.code, len(_ORDER)))
    if more > 0:
        kept.append(InputWarning("MORE_WARNINGS", "", f"{more} more warnings with these codes are not listed."))
    return tuple(kept)


def by_column(warned: InputWarning) -> InputWarning:
    """Return the warning with a row's pointer, /transactions/3/type, as a column's, /transactions/type/3."""
    return InputWarning(warned.code, _AT_ROW.sub(r"/transactions/\2/\1", warned.pointer), warned.detail)


@compiled
def any_after(times: NDArray[np.int64], horizon: int) -> bool:
    """Return whether any of times int64[n] is after the horizon, without NumPy's two temporary arrays."""
    for time in times:  # noqa: SIM110  compiled code takes no generators
        if time > horizon:
            return True
    return False


def _repeated(history: History) -> list[InputWarning]:
    columns = (*history[:5], history.created.tolist(), history.completed.tolist())
    seen: set[tuple[object, ...]] = set()
    again = []
    for i, row in enumerate(zip(*columns, strict=True)):
        if row in seen:
            again.append(i)
        seen.add(row)
    if not again:
        return []
    detail = f"{_count(again, 'repeated row')}; each repeated row counts once."
    return [InputWarning("REPEATED_ROW", pointer_to("/transactions", again[0]), detail)]


def _count(rows: Sequence[int], noun: str) -> str:
    return f"{len(rows)} {noun}{'' if len(rows) == 1 else 's'}"
