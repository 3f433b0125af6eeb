"""Runs one child process for all workers of a pod, and restarts it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import sys
import time
from pathlib import Path
from typing import Final

from customer_risk.serving.backoff import Backoff

_LOCK_SECONDS: Final = 1.0  # between two attempts to get the lock
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 30.0
_SETTLED_SECONDS: Final = 60.0  # a process that ran for so long is started again without a long wait
_BRIEF_SECONDS: Final = 10.0  # processes that end sooner would use a whole core if each were replaced at once
_log = logging.getLogger("serving")


class ChildProcess:
    """Starts `python -m MODULE`, and starts it again when it ends, in the worker of the pod that has the lock.

    The next process starts at once if the last one ran for at least `brief_seconds` and ended with exit code 0,
    otherwise after a pause. A process gets `config`, one line, on its standard input. It must end when its input is
    closed, and is killed `end_seconds` later. `lock` is a file in a folder that the workers share.
    """

    def __init__(
        self,
        module: str,
        config: bytes,
        lock: Path,
        *,
        end_seconds: float = 10,
        brief_seconds: float = _BRIEF_SECONDS,
        backoff: Backoff | None = None,
    ) -> None:
        self._module = module
        self._config = config
        self._path = lock
        self._end = end_seconds
        self._brief = brief_seconds
        self._backoff = backoff or Backoff(_FIRST_WAIT, _LONGEST_WAIT)
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Begin to run the process."""
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Let the process finish its current work, and end it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        process = self._process
        if process is not None and process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), self._end)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _keep(self) -> None:
        while (lock := self._take()) is None:  # noqa: ASYNC110  a lock of another process sets no event
            await asyncio.sleep(_LOCK_SECONDS)
        try:
            while True:
                began = time.monotonic()
                try:
                    code = await self._run()
                    ended = f"ended with {code}"
                except OSError as error:  # such as too many open files, which may pass
                    code, ended = None, f"can't be started: {error}"
                ran = time.monotonic() - began
                if ran >= _SETTLED_SECONDS:
                    self._backoff.reset()
                if code == 0 and ran >= self._brief:
                    continue
                wait = self._backoff.next()
                level = logging.WARNING if code == 0 else logging.ERROR
                _log.log(level, "%s %s after %.0f s; another one starts in %.0f s", self._module, ended, ran, wait)
                await asyncio.sleep(wait)
        finally:
            os.close(lock)

    def _take(self) -> int | None:
        """Return the lock's descriptor; None if another process holds the lock, or it can't be opened now."""
        with contextlib.suppress(OSError):
            lock = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
            else:
                return lock
        return None

    async def _run(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module, stdin=asyncio.subprocess.PIPE
        )
        stdin = self._process.stdin
        if stdin is not None:
            # By standard input, not by argument: a store's URL may have a password.
            stdin.write(self._config + b"\n")
            with contextlib.suppress(ConnectionError):
                await stdin.drain()
        return await self._process.wait()
