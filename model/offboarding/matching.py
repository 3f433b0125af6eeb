"""How much of the money that came in went out again soon after."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CENT = 0.005  # less than half a cent is rounding, not money


def pass_through(moves: Iterable[tuple[int, float]], window: int) -> tuple[float, list[int]]:
    """Match money out with money in of at most `window` before, oldest first; return the amount and who took part.

    `moves` are (time, amount) in order of time, amounts out negative; the answer's positions count from 0. Taking
    the oldest money that still may be taken first gives the greatest amount that any matching can (earliest
    deadline first).
    """
    waiting: deque[list[float]] = deque()  # position, time, what is left of it
    matched = 0.0
    took_part: set[int] = set()
    for position, (time, amount) in enumerate(moves):
        if amount > 0:
            waiting.append([position, time, amount])
            continue
        out = -amount
        while waiting and time - waiting[0][1] > window:
            waiting.popleft()
        while waiting and out >= _CENT:
            taken = min(out, waiting[0][2])
            matched += taken
            out -= taken
            waiting[0][2] -= taken
            took_part |= {int(waiting[0][0]), position}
            if waiting[0][2] < _CENT:
                waiting.popleft()
    return matched, sorted(took_part)
