"""Idempotency keys: the same request, sent again, gets the answer that it got before."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from collections.abc import Callable
from typing import Final

from customer_risk.model.errors import BadField, InputError
from customer_risk.serving.auth.caller import Caller
from customer_risk.serving.errors import Conflict, Overloaded
from customer_risk.serving.store.interface import Store

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_UNDER_WAY, _DONE = b"?", b"="
_DIGEST: Final = 32
_PAUSE: Final = 0.02  # seconds between two checks for the first request's answer


class Idempotency:
    """Keeps answers by caller, route and key in `store` for `window_seconds`.

    The first request reserves the key for `reserve_seconds`; then its process counts as dead. A request that finds a
    reservation waits for `wait_seconds` and is then refused.
    """

    def __init__(
        self, store: Store, window_seconds: float = 86_400, *, reserve_seconds: float = 30, wait_seconds: float = 2
    ) -> None:
        self._store = store
        self._window = window_seconds
        self._reserve = reserve_seconds
        self._wait = wait_seconds

    async def once(self, caller: Caller, route: str, key: str, body: bytes, produce: Callable[[], bytes]) -> bytes:
        """Return the answer kept under `key`, or that of `produce`, called on a thread and kept unless it raises.

        The scope `explain` counts as a part of the request: no answer shows explanations to a caller without it.
        Raises InputError for a bad key, Conflict for a key used with another request, Overloaded while the first is
        under way, and StoreUnavailable.
        """
        if not _KEY.fullmatch(key):
            raise InputError((BadField("", "Idempotency-Key must be 1 to 255 visible ASCII characters"),))
        place = "once/" + hashlib.sha256(f"{caller.name}\0{route}\0{key}".encode()).hexdigest()
        digest = hashlib.sha256((b"+" if "explain" in caller.scopes else b"-") + body).digest()
        deadline = time.monotonic() + self._wait
        while True:
            answer = await asyncio.to_thread(self._try, place, digest, produce)
            if answer is not None:
                return answer
            if time.monotonic() >= deadline:
                raise Overloaded("The first request with this key is under way.", remedy="Send it again shortly.")
            await asyncio.sleep(_PAUSE)

    def _try(self, place: str, digest: bytes, produce: Callable[[], bytes]) -> bytes | None:
        mine = _UNDER_WAY + digest + os.urandom(16)
        if self._store.add(place, mine, seconds=self._reserve):
            try:
                answer = produce()
            except BaseException:
                self._store.remove(place, mine)
                raise
            done = _DONE + digest + answer
            # If the reservation has expired or the store has lost it, keep the answer unless there is another one.
            if self._store.replace(place, mine, done, seconds=self._window) or self._store.add(
                place, done, seconds=self._window
            ):
                return answer
        kept = self._store.get(place)  # of another request, perhaps stored after this reservation expired
        if kept is None:
            return None
        if kept[1 : 1 + _DIGEST] != digest:
            raise Conflict("This Idempotency-Key was used with another request.", remedy="Make a new key.")
        return kept[1 + _DIGEST :] if kept[:1] == _DONE else None
