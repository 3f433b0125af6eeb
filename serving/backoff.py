"""Waits between attempts of an operation that fails."""

from __future__ import annotations

import random


class Backoff:
    """Returns waits in seconds: `first`, then twice the previous wait, at most `longest`.

    With `jitter`, a random part of each wait is left out, at most half, so that clients don't retry together.
    """

    def __init__(self, first: float, longest: float, *, jitter: bool = False) -> None:
        self._first = first
        self._longest = longest
        self._jitter = jitter
        self._next = min(first, longest)

    def next(self, *, most: float = float("inf")) -> float:
        """Return the wait after one more failure, at most `most` seconds; `most` doesn't change later waits."""
        # The bounded wait is doubled: two to the power of the number of failures would overflow after 1,024 of them.
        wait, self._next = min(self._next, most), min(2 * self._next, self._longest)
        return wait * random.uniform(0.5, 1) if self._jitter else wait  # noqa: S311  no secret

    def reset(self) -> None:
        """Begin with `first` again, after a success."""
        self._next = min(self._first, self._longest)
