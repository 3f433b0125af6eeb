"""Logs the progress of a run: after two seconds, then at growing intervals."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

_FIRST_SECONDS: Final = 2.0
_MOST_SECONDS: Final = 30.0
_log = logging.getLogger("serving.batch")


class Progress:
    """Logs the rows done, their rate and the time left; `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._logged = clock()
        self._wait = _FIRST_SECONDS
        self._skipped = 0.0
        self.rows = 0  # scored by this process

    @property
    def seconds(self) -> float:
        """Return the seconds since the beginning."""
        return self._clock() - self._began

    def skip(self, share: float) -> None:
        """Add a share of the work that was done before."""
        self._skipped = share

    def done(self, rows: int, share: float) -> None:
        """Add done rows and set the share of all work that is done; log it if it is time."""
        self.rows += rows
        now = self._clock()
        if now - self._logged < self._wait:
            return
        self._logged, self._wait = now, min(self._wait * 1.5, _MOST_SECONDS)
        worked = share - self._skipped
        left = f", about {self.seconds * (1 - share) / worked:,.0f} s left" if worked > 0 else ""
        rate = self.rows / max(self.seconds, 1e-6)
        _log.info("%s rows scored (%.0f%%), %s a second%s", f"{self.rows:,}", 100 * share, f"{rate:,.0f}", left)
