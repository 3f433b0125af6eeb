"""Reloads the bundle while serving: detects another bundle, verifies it, and uses it only if it is valid."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import stat
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from customer_risk.model.errors import BundleAltered, CustomerRiskError
from customer_risk.serving.decisions.verification import load_verified
from customer_risk.serving.offload import run_on_daemon_thread

if TYPE_CHECKING:
    from customer_risk.model.scoring.bundle import Bundle

Result = Literal["taken", "refused", "unchanged"]
Identity = tuple[tuple[object, ...], ...]

_log = logging.getLogger("serving")


class ReloadState(msgspec.Struct, frozen=True):
    """The result of the last load of a bundle: when (seconds since 1970), and why it was refused."""

    result: Result | None = None
    version: str | None = None
    refusal: str | None = None
    at: float | None = None


class Reloader:
    """Loads the bundle in `folder`, again whenever it changes; `use` is called with each verified bundle.

    `before()` is called before each load, `after(result)` after it. A refused bundle changes nothing.
    """

    def __init__(
        self,
        folder: Path,
        use: Callable[[Bundle], object],
        *,
        after: Callable[[Result], object] = lambda _: None,
        before: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = ReloadState()
        self._folder = folder
        self._use = use
        self._after = after
        self._before = before
        self._clock = clock
        self._seen: Identity = ()
        self.loading = False
        self._lock: asyncio.Lock | None = None

    def load(self) -> Result:
        """Load the folder's bundle; raises as `load_verified` does."""
        self._before()
        seen = identity(self._folder)
        try:
            # Resolve links once: a link that is changed meanwhile must not mix two bundles.
            bundle = load_verified(self._folder.resolve())
            if identity(self._folder) != seen:  # replaced while it was read: `watch` loads the new one
                raise BundleAltered(f"{self._folder} changed while it was read.", remedy="It will be read again.")  # noqa: TRY301  one place handles every refusal
        except Exception as error:
            self._note("refused", self.state.version, str(error))
            raise
        finally:
            self._seen = seen
        result: Result = "unchanged" if bundle.version == self.state.version else "taken"
        if result == "taken":
            self._use(bundle)
        self._note(result, bundle.version, None)
        return result

    async def reload(self) -> Result:
        """Load on a thread and log the result; a bad bundle is refused."""
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            before, began, self.loading = self.state.version, time.perf_counter(), True
            try:
                result = await run_on_daemon_thread(self.load)
            except Exception as error:  # noqa: BLE001  the last valid bundle stays in use
                kept = f"bundle {before[:12]} keeps answering" if before else "not ready"
                _log.error("%s: %s", kept, error, exc_info=not isinstance(error, CustomerRiskError))
                return "refused"
            finally:
                self.loading = False
            took = time.perf_counter() - began
            _log.info("bundle %s %s, verified in %.1f s", (self.state.version or "")[:12], result, took)
            return result

    async def watch(self, every: float) -> None:
        """Check for another bundle every `every` seconds, until cancelled."""
        while True:
            await asyncio.sleep(every)
            if await run_on_daemon_thread(partial(identity, self._folder)) != self._seen:
                await self.reload()

    def _note(self, result: Result, version: str | None, refusal: str | None) -> None:
        self.state = ReloadState(result, version, refusal, self._clock())
        self._after(result)


def identity(folder: Path) -> Identity:
    """Return the name, inode, size and time of each file, which change with the bundle; symbolic links are followed."""
    found: list[tuple[object, ...]] = []
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            status = path.stat()
            place = (path.name, status.st_dev, status.st_ino)
            found.append((*place, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else place)
    return tuple(found)
