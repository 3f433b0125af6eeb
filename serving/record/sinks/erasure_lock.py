"""The lock of a store's erasures: one erasure at a time, across all machines."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import msgspec

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.manifest import encode
from customer_risk.serving.record.sinks.objects import Objects

KEY: Final = "locks/erasure.json"
_TRIES: Final = 5  # attempts to create the lock, while other erasures end and begin


class ErasureRunning(CustomerRiskError):
    """Another erasure holds the store's lock."""


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the lock's object: a random id, who erases, and since when (RFC 3339)."""

    id: str
    by: str
    at: str


class ErasureLock:
    """A lock that this process holds; another process may have taken it."""

    def __init__(self, objects: Objects, data: bytes) -> None:
        self._objects = objects
        self._data = data

    def check(self) -> None:
        """Raise ErasureRunning if another erasure took the lock."""
        found = self._objects.get(KEY)
        if found != self._data:
            raise _running(found)

    def release(self) -> None:
        """Delete the lock's object, unless another erasure took the lock."""
        if self._objects.get(KEY) == self._data:
            self._objects.delete(KEY)


@contextmanager
def erasure_lock(objects: Objects, *, by: str, at: str, take: bool = False) -> Iterator[ErasureLock]:
    """Hold the lock of a store's erasures during the context. `take` replaces the lock of a dead process.

    The lock is an object at a fixed key. Creating it fails if it exists. It is deleted at the end of the erasure, also
    after an error. It remains only if the process was killed. Raises ErasureRunning if another erasure holds it, and
    SinkUnavailable.
    """
    lock = _acquire(objects, encode(Holder(secrets.token_hex(16), by, at)), take=take)
    try:
        yield lock
    except BaseException:
        with suppress(SinkUnavailable):  # raise the first error, which says more
            lock.release()
        raise
    lock.release()


def _acquire(objects: Objects, data: bytes, *, take: bool) -> ErasureLock:
    if take:
        objects.delete(KEY)
    for _ in range(_TRIES):
        if objects.create(KEY, data):
            return ErasureLock(objects, data)
        found = objects.get(KEY)
        if found == data:  # an earlier attempt created the lock, and the response was lost
            return ErasureLock(objects, data)
        if found is not None:
            break
    raise _running(found)


def _running(found: bytes | None) -> ErasureRunning:
    return ErasureRunning(
        f"{_holder(found)} holds the lock {KEY}. Only one erasure runs at a time.",
        remedy="Erase again when that erasure has ended. If you know that its process is dead, add --take-lock.",
    )


def _holder(found: bytes | None) -> str:
    try:
        holder = msgspec.json.decode(found or b"", type=Holder)
    except (msgspec.MsgspecError, RecursionError):
        return "Another erasure"
    return f"The erasure that {holder.by} began at {holder.at}"
