"""The administrators' switches, which the workers of a pod share in a file."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from customer_risk.model.atomic import write_file
from customer_risk.model.files import read_file

if TYPE_CHECKING:
    from customer_risk.serving.decisions.service import Service

_CHECK_SECONDS: Final = 0.25
_log = logging.getLogger("serving")


class Switches(msgspec.Struct, frozen=True, kw_only=True):
    """The switches, and who changed them last: `at` is in seconds since 1970, `reloads` counts the reloads ordered."""

    force_rules: bool = False
    reloads: int = 0
    by: str | None = None
    why: str | None = None
    at: float | None = None


class SwitchFile:
    """Applies the switches in `folder` to this worker's `service`, and calls `reload` when one is ordered.

    The folder belongs to the pod: switches outlive a worker, but not the pod.
    """

    def __init__(self, folder: Path, service: Service, reload: Callable[[], Awaitable[object]]) -> None:
        self._path = folder / "switches.json"
        self._service = service
        self._reload = reload
        self._applied = Switches()
        self._seen: object = None
        self._logged = ""
        self._watching: asyncio.Task[None] | None = None

    @property
    def switches(self) -> Switches:
        """The switches as they were last applied."""
        return self._applied

    async def change(self, changed: Callable[[Switches], Switches]) -> None:
        """Change the switches for every worker, this one at once; raises OSError if they can't be stored.

        `changed` is called with the switches in the file, which another worker may have changed.
        """
        with self._path.with_suffix(".lock").open("wb") as alone:
            fcntl.flock(alone, fcntl.LOCK_EX)  # held for one small write
            write_file(self._path, msgspec.json.encode(changed(self._kept())))
        await self.apply()

    async def apply(self) -> None:
        """Read the file if it has changed, and apply its changes; a file that can't be read changes nothing."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns)
            if seen == self._seen:
                return
            switches = msgspec.json.decode(read_file(self._path), type=Switches)
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            if str(error) != self._logged:  # log an error once, not at every check
                _log.warning("the switches in %s can't be read; the last ones stay in force: %s", self._path, error)
            self._logged = str(error)
            return
        before, self._applied, self._seen, self._logged = self._applied, switches, seen, ""
        self._service.forced = switches.force_rules
        if switches.reloads != before.reloads:
            await self._reload()

    async def start(self) -> None:
        """Apply the current switches, and begin to watch the file."""
        self._applied = self._kept()  # don't repeat a reload that was ordered before this worker's start
        await self.apply()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    def _kept(self) -> Switches:
        """Return the switches in the file, or the last ones if it can't be read."""
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(read_file(self._path), type=Switches)
        return self._applied

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            await self.apply()
