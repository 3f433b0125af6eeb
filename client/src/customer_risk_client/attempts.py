"""Decides whether a call is repeated, and when; it sends nothing and doesn't wait."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import httpx2
import msgspec

from customer_risk_client.answers import Job
from customer_risk_client.errors import BadAnswerError, JobError, UnreachableError

_RETRIED: Final = frozenset({429, 502, 503})


class Patience(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of one call. All times are in seconds.

    seconds     longest time for the whole call, with all attempts and waits
    attempts    greatest number of attempts
    first       longest wait before the second attempt; doubled for each further attempt
    longest     longest wait between two attempts, unless the service's Retry-After is longer
    one         longest time that one attempt waits for the next byte from the service
    """

    seconds: float = 10.0
    attempts: int = 5
    first: float = 0.1
    longest: float = 2.0
    one: float = 5.0


class Reply(NamedTuple):
    """A complete response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Attempts:
    """The attempts of one call. `clock` returns seconds that never decrease."""

    def __init__(self, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._began = clock()
        self._made = 0
        self._longest_wait = patience.first

    def begin(self) -> httpx2.Timeout:
        """Count an attempt and return its timeouts."""
        self._made += 1
        left = max(0.001, self._left)
        return httpx2.Timeout(min(self._patience.one, left), pool=left)

    def require_time(self, request: httpx2.Request) -> None:
        """Raise ReadTimeout if the call's time has passed: httpx2's timeout limits a pause, not the whole response."""
        if self._left < 0:
            raise httpx2.ReadTimeout("the response arrives too slowly", request=request)

    def wait_after(self, reply: Reply) -> float | None:
        """Return the seconds before the next attempt, or None if `reply` is the call's result."""
        if reply.status not in _RETRIED:
            return None
        text = reply.headers.get("retry-after", "")
        # The service sends no dates in Retry-After.
        return self._next_wait(least=float(text) if text.isascii() and text.isdigit() else 0.0)

    def wait_after_error(self, error: httpx2.HTTPError | httpx2.InvalidURL | UnicodeEncodeError) -> float:
        """Return the seconds before the next attempt; raises UnreachableError or BadAnswerError after the last one."""
        if isinstance(error, httpx2.DecodingError):
            raise BadAnswerError(f"The response can't be decompressed: {error}.") from error
        permanent = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
        if not isinstance(error, httpx2.TransportError) or isinstance(error, permanent):
            raise UnreachableError(f"The request can't be sent: {error}. Check the URL and the token.") from error
        wait = self._next_wait()
        if wait is None:
            raise UnreachableError(
                f"No answer after {self._made} attempts in {self._clock() - self._began:.1f} s: {error!r}. "
                "Check the URL, and that the service is running."
            ) from error
        return wait

    @property
    def _left(self) -> float:
        return self._began + self._patience.seconds - self._clock()

    def _next_wait(self, *, least: float = 0.0) -> float | None:
        """Return a random wait, so that clients don't retry together, or None if no attempt or time is left."""
        if self._made >= self._patience.attempts:
            return None
        longest = min(self._longest_wait, self._patience.longest)
        self._longest_wait = 2 * longest
        wait = max(least, longest * random.uniform(0.5, 1))  # noqa: S311  no secret
        return wait if wait < self._left else None


class JobWait:
    """Decides when to stop waiting for a job: after `seconds` at most, with `every` seconds between two requests."""

    def __init__(self, seconds: float, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._every = every
        self._clock = clock
        self._ends = clock() + seconds

    def ends_with(self, job: Job) -> bool:
        """Return whether the job is done; raises JobError if it ended otherwise, TimeoutError if no time is left."""
        if job.state == "done":
            return True
        if job.over:
            raise JobError(job)
        if self._clock() + self._every > self._ends:
            raise TimeoutError(f"The job {job.job_id} is still {job.state} after {self._seconds:g} seconds.")
        return False
