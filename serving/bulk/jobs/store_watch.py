"""Watches the store and its open jobs, for the metrics."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from customer_risk.serving.errors import StoreUnavailable

if TYPE_CHECKING:
    from customer_risk.serving.bulk.jobs.repository import JobRepository
    from customer_risk.serving.telemetry.metrics import Metrics

_EVERY: Final = 10.0
_JOBS_EVERY: Final = 3  # listing the open jobs scans all keys of a Redis, so it isn't done each time
_log = logging.getLogger("serving")


class StoreWatch:
    """Uses the store every `every` seconds, on a thread, and sets whether that failed.

    With `jobs`, the open jobs are counted at the first and then at every third time.
    """

    def __init__(
        self, repository: Callable[[], JobRepository], metrics: Metrics, *, jobs: bool = True, every: float = _EVERY
    ) -> None:
        self._repository = repository
        self._metrics = metrics
        self._jobs = jobs
        self._every = every
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching; a use of the store that is under way isn't awaited."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        turn = 0
        while True:
            try:
                jobs = await asyncio.to_thread(self._look, count=self._jobs and turn % _JOBS_EVERY == 0)
            except StoreUnavailable:
                self._metrics.store(failing=True)
                turn = 0  # count the jobs as soon as the store can be used
            except Exception:  # noqa: BLE001  metrics must not stop the answers
                _log.exception("the store can't be watched")
            else:
                self._metrics.store(failing=False)
                if jobs is not None:
                    self._metrics.jobs(*jobs)
                turn += 1
            await asyncio.sleep(self._every)

    def _look(self, *, count: bool) -> tuple[int, float] | None:
        """Use the store; with `count`, return the number of open jobs and the age of the oldest in seconds."""
        repository = self._repository()
        repository.probe()
        return repository.waiting() if count else None
