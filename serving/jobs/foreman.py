"""Keeps one working process going beside the servers of a pod."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from serving.jobs.worker import Orders

_LOCK_SECONDS: Final = 1.0  # between two tries to become the one who keeps it
_MOST_BACKOFF: Final = 30.0
_END_SECONDS: Final = 10.0
_log = logging.getLogger("serving.jobs")


class Foreman:
    """Starts the working process and starts it again when it ends, in whichever worker of the pod holds the lock."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._keeping: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Begin to keep it going."""
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Let it finish its piece, and end it."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        process = self._process
        if process is not None and process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), _END_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _keep(self) -> None:
        lock = os.open(Path(self._orders.folder) / "jobs.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    await asyncio.sleep(_LOCK_SECONDS)
            deaths = 0
            while True:
                code = await self._run()
                deaths += 1
                wait = min(_MOST_BACKOFF, 0.5 * 2.0**deaths)
                _log.error("the process that works on jobs ended with %d; another one starts in %.0f s", code, wait)
                await asyncio.sleep(wait)
        finally:
            os.close(lock)

    async def _run(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "serving.jobs", stdin=asyncio.subprocess.PIPE
        )
        stdin = self._process.stdin
        if stdin is not None:
            # By standard input, not by argument: a store's address may hold a password.
            stdin.write(msgspec.json.encode(self._orders) + b"\n")
            with contextlib.suppress(ConnectionError):
                await stdin.drain()
        return await self._process.wait()
