"""Finds declared patterns in encoded customers: the same compiled code for one and for many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from customer_risk.model.features.kernel.compute import are_excluded, run_in_threads
from customer_risk.model.patterns.found_pattern import FoundPattern
from customer_risk.model.patterns.search import (
    AMOUNT,
    COUNT,
    EUR,
    FOUND,
    GREATEST,
    N_FIGURES,
    N_LIMITS,
    NUMBERS,
    PART,
    WINDOW,
    entry,
)
from customer_risk.model.patterns.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from customer_risk.model.features.encoded import Encoded
    from customer_risk.model.features.kernel.compute import Settings

_HOUR_US: Final = 3_600_000_000
_LONGEST: Final = 2**62  # microseconds: longer than any history
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  in UTC; `rfc3339` appends the zone itself, which takes half the time
_NO_STARTS: Final = np.empty((0, 0), np.int64)
_NO_EVIDENCE: Final = np.empty((0, 3), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """The patterns of `m` customers, `p` of them in the finder's order.

    codes     the patterns' codes
    figures   float64[m, p, 3]: count (0: not found), amount in EUR, share (NaN: the pattern has none)
    times     int64[m, p, 2]: first and last time, in microseconds since 1970 in UTC; 0 where nothing was found
    evidence  int64[k, 3]: customer, pattern, and the number in `Encoded.ids` of a transaction that shows it; ordered by
              customer, pattern and time
    """

    codes: tuple[str, ...]
    figures: NDArray[np.float64]
    times: NDArray[np.int64]
    evidence: NDArray[np.int64]


class Finder:
    """Finds patterns among the transactions that features are computed from with `settings`.

    `patterns` maps the code of each pattern to its thresholds, as `ActionRule.patterns` does. The first finder of a
    process compiles the search, or takes it from the disk.
    """

    def __init__(self, patterns: Mapping[str, Mapping[str, float]], settings: Settings) -> None:
        self.codes = tuple(patterns)
        self.wordings = tuple(Wording(code, limits) for code, limits in patterns.items())
        which = np.array([NUMBERS[code] for code in patterns], np.int64)
        limits = np.array([_limits(each) for each in patterns.values()]).reshape(-1, N_LIMITS)
        self._search = _Search(which, limits, settings)

    def find_one(self, encoded: Encoded) -> tuple[FoundPattern, ...]:
        """Return the patterns of the one customer in `encoded`, in the finder's order."""
        figures = np.zeros((1, len(self.codes), N_FIGURES))
        times = np.zeros((1, len(self.codes), 2), np.int64)
        any_found = self._search(encoded, 0, 1, figures, times)
        return self.found(figures[0], times[0]) if any_found else ()

    def find(self, encoded: Encoded, *, threads: int = 1) -> Findings:
        """Return the patterns of every customer in `encoded`; the number of threads changes no value."""
        customers = len(encoded.offsets) - 1
        figures = np.zeros((customers, len(self.codes), N_FIGURES))
        times = np.zeros((customers, len(self.codes), 2), np.int64)

        def search(first: int, last: int) -> None:
            self._search(encoded, first, last, figures, times)

        run_in_threads(search, encoded.offsets, threads)
        counts = figures[:, :, FOUND].astype(np.int64)
        starts = (np.cumsum(counts) - counts.ravel()).reshape(counts.shape)
        evidence = np.empty((int(counts.sum()), 3), np.int64)

        if len(evidence):

            def show(first: int, last: int) -> None:
                self._search(encoded, first, last, figures, times, starts, evidence)

            run_in_threads(show, encoded.offsets, threads)
        return Findings(self.codes, figures, times, evidence)

    def found(self, figures: NDArray[np.float64], times: NDArray[np.int64]) -> tuple[FoundPattern, ...]:
        """Return the patterns found at one customer, by the customer's rows of `Findings`."""
        return tuple(
            _found(wording, int(count), amount, None if math.isnan(share) else share, first, last)
            for wording, (count, amount, share), (first, last) in zip(
                self.wordings, figures.tolist(), times.tolist(), strict=True
            )
            if count
        )


def greatest_amounts(encoded: Encoded, settings: Settings, *, threads: int = 1) -> NDArray[np.float64]:
    """Return the greatest amount that each customer moved, in EUR: float64[m], 0 where no money moved."""
    customers = len(encoded.offsets) - 1
    figures = np.zeros((customers, 1, N_FIGURES))
    times = np.zeros((customers, 1, 2), np.int64)
    search = _Search(np.array([GREATEST]), np.zeros((1, N_LIMITS)), settings)

    def run(first: int, last: int) -> None:
        search(encoded, first, last, figures, times)

    run_in_threads(run, encoded.offsets, threads)
    return figures[:, 0, EUR].copy()


class _Search:
    """The compiled search with the patterns' limits and the settings."""

    def __init__(self, which: NDArray[np.int64], limits: NDArray[np.float64], settings: Settings) -> None:
        self._settings = (settings.lookback_us, settings.max_transactions, are_excluded(settings.excluded_types))
        self._rule = (which, limits)
        self._entry = entry()

    def __call__(
        self,
        encoded: Encoded,
        first: int,
        last: int,
        figures: NDArray[np.float64],
        times: NDArray[np.int64],
        starts: NDArray[np.int64] = _NO_STARTS,
        evidence: NDArray[np.int64] = _NO_EVIDENCE,
    ) -> int:
        """Fill in the figures and times of a range of customers, or the evidence; return how many patterns were found.

        The evidence is filled in if it has rows.
        """
        return self._entry(
            first, last, *encoded.columns(), *self._settings, *self._rule, figures, times, starts, evidence
        )


def rfc3339(microseconds: int) -> str:
    """Return a time, in microseconds since 1970 in UTC, in RFC 3339."""
    return f"{(_EPOCH + timedelta(microseconds=microseconds)).isoformat()}Z"


def _found(wording: Wording, count: int, amount: float, share: float | None, first: int, last: int) -> FoundPattern:
    return FoundPattern(
        code=wording.code,
        count=count,
        amount=amount,
        share=share,
        first_at=rfc3339(first),
        last_at=rfc3339(last),
        investigator_text=wording.tell(count=count, amount=amount, share=share),
    )


def _limits(limits: Mapping[str, float]) -> list[float]:
    """Return one pattern's limits in the order of the search."""
    row = [0.0] * N_LIMITS
    hours = limits.get("hours", limits.get("until_hour", 0.0))  # a burst at night is no longer than the night
    row[WINDOW] = float(round(min(hours * _HOUR_US, _LONGEST)))
    row[COUNT] = limits.get("count", 0.0)
    row[PART] = limits.get("share", limits.get("margin", limits.get("until_hour", 0.0)))
    row[AMOUNT] = max(limits.get("amount", 0.0), limits.get("usual", 0.0))
    return row
