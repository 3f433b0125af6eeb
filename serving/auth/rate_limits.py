"""Rate limits for each client: requests a second, with a burst."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from customer_risk.serving.errors import TooManyRequests

_LEAST_BURST: Final = 1.0
_ROUNDING: Final = 1e-9


class LimitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A client's share of one pod: each item of a batch counts one request, each further 64 KiB of a body one more.

    requests_per_second   sustained rate of a client; 0 or null: no limit
    burst                 requests that an idle client may send at once
    most_clients          clients counted at a time; beyond it, those with the fewest recent requests are forgotten
    """

    requests_per_second: Annotated[float, msgspec.Meta(ge=0)] | None = None
    burst: Annotated[float, msgspec.Meta(ge=_LEAST_BURST)] = 100
    most_clients: Annotated[int, msgspec.Meta(ge=2)] = 10_000


class Limiter:
    """Counts requests by client: a token bucket each, kept as the time at which it would be full (GCRA, ITU-T I.371).

    `share` is this process's part of the pod's limits (1/N for N workers); `clock` returns seconds that never go back.
    """

    def __init__(
        self, settings: LimitSettings, *, share: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        rate = (settings.requests_per_second or 0) * share
        self._interval = 1 / rate if rate else 0.0
        self._allowance = max(settings.burst * share, _LEAST_BURST) * self._interval + _ROUNDING
        self._most = settings.most_clients
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def take(self, caller_name: str) -> None:
        """Count one request of a caller; raises TooManyRequests, counting nothing, if no token is left."""
        interval = self._interval
        if not interval:
            return
        now = self._clock()
        full_at = self._full_at.get(caller_name, now)
        if full_at < now:  # noqa: PLR1730  half the time of max()
            full_at = now
        wait = full_at + interval - now - self._allowance
        if wait > 0:
            raise TooManyRequests(
                f"More than {1 / interval:g} requests a second.",
                remedy="Send it again after Retry-After seconds.",
                retry_after=max(1, math.ceil(wait)),
            )
        self._full_at[caller_name] = full_at + interval
        if len(self._full_at) > self._most:
            self._forget()

    def owe(self, caller_name: str, cost: float) -> None:
        """Count `cost` more requests of a caller whose request was taken, whether or not tokens are left.

        A large request is admitted if one token is left, and owes the rest, so that it may be larger than the burst.
        """
        if self._interval and cost > 0:
            now = self._clock()
            self._full_at[caller_name] = max(self._full_at.get(caller_name, now), now) + cost * self._interval

    def _forget(self) -> None:
        """Keep the half with the emptiest buckets: forgetting the others allows them the fewest extra requests."""
        kept = heapq.nlargest(self._most // 2, self._full_at.items(), key=lambda item: item[1])
        self._full_at = dict(kept)
