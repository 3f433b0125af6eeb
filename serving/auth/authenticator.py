"""Authenticates callers by their `Authorization` header, and reads the issuer's keys regularly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from customer_risk.model.tokens.keys import Key, KeysUnreadable, parse
from customer_risk.serving.auth import jwks, tokens
from customer_risk.serving.auth.caller import Caller
from customer_risk.serving.auth.settings import AuthSettings
from customer_risk.serving.errors import NotReady

_RETRY_SECONDS: Final = 10  # until the next attempt, after a failed one
_log = logging.getLogger("serving")


class Authenticator:
    """Verifies tokens on one event loop: `start` before the first, `stop` after the last.

    `wall` returns seconds since 1970 (for a token's times), `clock` seconds that never go back (for the keys' age).
    """

    def __init__(
        self,
        settings: AuthSettings,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._wall = wall
        self._clock = clock
        self._keys: dict[str | None, Key] = {}
        self._document: bytes | None = None
        self._introduced = False
        self._unknown_read_at = -float("inf")  # when keys were last read because of an unknown key id
        self._read_at = -float("inf")  # when keys were last read with success
        self._verified: OrderedDict[str, tuple[Caller, float]] = OrderedDict()
        self._reading: asyncio.Task[bool] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether the key set was read recently enough; otherwise no token can be verified."""
        return self.keys_age <= self._settings.stale_seconds

    @property
    def keys_age(self) -> float:
        """Seconds since the key set was last read; infinite if it was never read."""
        return self._clock() - self._read_at

    @property
    def introduced(self) -> bool:
        """Whether a usable key was ever read. Readiness waits for one: a wrong address is found before traffic."""
        return self._introduced

    async def start(self) -> None:
        """Read the keys, now and at intervals; an issuer that doesn't respond doesn't stop the process."""
        await self.refresh()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop reading the keys."""
        for task in (self._watching, self._reading):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._watching = self._reading = None

    def cached(self, authorization: str | None) -> Caller | None:
        """Return the caller if this header was verified before and is cached, else None.

        While the keys are too old, no cached caller is returned either.
        """
        if authorization is None or not self.ready:
            return None
        known = self._verified.get(authorization)
        if known is None:
            return None
        if known[1] <= self._wall():
            del self._verified[authorization]
            return None
        self._verified.move_to_end(authorization)
        return known[0]

    async def authenticate(self, authorization: str | None) -> Caller:
        """Verify a header's token and return its caller; raises Unauthenticated, or NotReady without recent keys."""
        caller = self.cached(authorization)
        if caller is not None:
            return caller
        token = tokens.bearer(authorization)
        name = tokens.key_id(token, self._settings)
        if name not in self._keys or not self.ready:
            await self._read_for_unknown_key()
        if not self.ready:
            raise NotReady(
                "Tokens can't be verified: the issuer's keys can't be read.", remedy="Try again shortly.", retry_after=5
            )
        key = self._keys.get(name)
        if key is None:
            raise tokens.refused("The token is signed with a key that its issuer doesn't publish.")
        caller, expires = tokens.verify(token, key, self._settings)
        self._remember(f"{authorization}", caller, expires)
        return caller

    async def refresh(self) -> bool:
        """Read the keys now, or wait for the read under way; return whether it succeeded."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_keys())
        return await asyncio.shield(self._reading)

    async def _read_for_unknown_key(self) -> None:
        """Read the keys because of an unknown key id, but not often: anybody can send unknown ids."""
        under_way = self._reading is not None and not self._reading.done()
        if not under_way:
            if self._clock() - self._unknown_read_at < self._settings.unknown_key_seconds:
                return
            self._unknown_read_at = self._clock()
        await self.refresh()

    async def _read_keys(self) -> bool:
        began = self._clock()
        try:
            document = await jwks.fetch(self._settings)
            found = self._keys
            if document != self._document:  # on a thread: a large key set would block the event loop for too long
                found = await asyncio.to_thread(parse, document, self._settings.algorithms)
        except KeysUnreadable as error:
            _log.warning("the issuer's keys can't be read, the last ones stay in use: %s", error)
            return False
        if document != self._document:
            if not found and (self._keys or self._document is None):
                _log.error(
                    "the issuer's key set has no key that can verify a token, so every token is refused."
                    " If this isn't intended, publish keys at %s, or correct auth.jwks or auth.algorithms.",
                    self._settings.jwks,
                )
            self._keys, self._document = found, document
            self._introduced |= bool(found)
            self._verified.clear()  # tokens of removed keys must be verified again
        self._read_at = began
        return True

    async def _watch(self) -> None:
        pause = self._settings.read_seconds
        succeeded = self.ready
        while True:
            await asyncio.sleep(pause if succeeded else min(pause, _RETRY_SECONDS))
            succeeded = await self.refresh()

    def _remember(self, authorization: str, caller: Caller, expires: float) -> None:
        until = min(expires + self._settings.leeway_seconds, self._wall() + self._settings.cache_seconds)
        self._verified[authorization] = (caller, until)
        if len(self._verified) > self._settings.most_cached:
            self._verified.popitem(last=False)
