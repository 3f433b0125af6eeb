"""When to try again, and how long to wait before it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import httpx2
import msgspec

from customer_risk.serving.backoff import Backoff
from customer_risk.serving.client.errors import BadAnswerError, UnreachableError

_COME_BACK: Final = frozenset({429, 502, 503})


class Patience(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long one call may take, all of its attempts together, and how they are spaced.

    seconds     from the first attempt's beginning to the last one's end
    attempts    at most so many
    first       seconds before the second attempt at most, doubled for each further one
    longest     seconds between two attempts at most, unless the server asks for more
    one         seconds that one attempt may wait for the server
    """

    seconds: float = 10.0
    attempts: int = 5
    first: float = 0.1
    longest: float = 2.0
    one: float = 5.0


class Reply(NamedTuple):
    """A whole response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def persist(send: Callable[[float], Reply], patience: Patience) -> Reply:
    """Send until there is a reply that another attempt wouldn't better, and return it.

    `send` takes the time (time.monotonic) by which all must be over; what it sends must be safe to send twice. Tried
    again are lost connections, timeouts, 429, 502 and 503, as long as the wait fits into the patience. Raises
    UnreachableError where the last attempt got no reply, BadAnswerError where one can't be unpacked.
    """
    ends = time.monotonic() + patience.seconds
    waits = _waits(patience)
    while True:
        reply, cause = _attempt(send, ends)
        if reply is not None and reply.status not in _COME_BACK:
            return reply
        wait = max(next(waits, math.inf), _asked_for(reply))
        if time.monotonic() + wait >= ends:
            if reply is not None:
                return reply
            raise UnreachableError(f"No answer: {cause!r}.") from cause
        time.sleep(wait)


def _attempt(send: Callable[[float], Reply], ends: float) -> tuple[Reply | None, httpx2.TransportError | None]:
    try:
        return send(ends), None
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError) as error:
        raise UnreachableError(f"Can't be sent: {error}.") from error  # not by any further attempt either
    except httpx2.TransportError as error:
        return None, error
    except httpx2.DecodingError as error:
        raise BadAnswerError(f"The response can't be unpacked: {error}.") from error


def _waits(patience: Patience) -> Iterator[float]:
    """Yield the seconds before each further attempt: doubling, and random, so that callers don't retry together."""
    backoff = Backoff(patience.first, patience.longest, jitter=True)
    for _ in range(patience.attempts - 1):
        yield backoff.next()


def _asked_for(reply: Reply | None) -> float:
    """Read Retry-After in seconds; 0 where there is none, or a date, which this service doesn't send."""
    text = reply.headers.get("retry-after", "") if reply is not None else ""
    return float(text) if text.isascii() and text.isdigit() else 0.0
