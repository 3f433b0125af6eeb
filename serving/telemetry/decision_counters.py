"""Counts of decisions, for monitors that look several times a second.

Each worker writes its counts to a file of its own, at most every 50 ms. The worker that is asked sums the files.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from customer_risk.model.scoring.segments import Action
from customer_risk.serving.contract.answer import Source

if TYPE_CHECKING:
    from customer_risk.serving.contract.answer import Answer

FLUSH_SECONDS: Final = 0.05
OTHER: Final = "other"
_MOST_MODELS: Final = 100
_PREFIX: Final = "decisions-"  # metrics_folder.prepare removes the files of a former server
_log = logging.getLogger("serving")


class DecisionCount(msgspec.Struct, frozen=True, kw_only=True):
    """The number of decisions of one action by one model or rule set.

    `model` is the bundle's SHA-256, or the version of the rules if `source` is `rules`.
    """

    action: Action
    source: Source
    model: str
    count: int


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions since a server's start; each start has another `start_id`. `pid` is the workers' parent."""

    start_id: str
    host: str
    pid: int
    started: datetime
    workers: int
    decisions: list[DecisionCount]


_Counts = Counter[tuple[Action, Source, str]]
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[DecisionCount]).decode


class DecisionCounters:
    """One worker's counts of decisions, and the sum over the workers that share `folder`.

    Make it before the fork: the start's id and time are those of the process that makes it. Any thread may call.
    The decisions of the first 100 models of a worker are counted by model, later ones as the model `other`.
    """

    def __init__(self, folder: Path, *, workers: int = 1) -> None:
        self._folder = folder
        self._workers = workers
        self._start_id, self._pid, self._started = str(uuid.uuid4()), os.getpid(), datetime.now(UTC)
        self._host = socket.gethostname()
        self._lock = threading.Lock()
        self._counts: _Counts = Counter()
        self._models: set[str] = set()
        self._written = 0
        self._file: Path | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed = False

    def decided(self, answer: Answer) -> None:
        """Count a decision."""
        model = answer.model.version
        with self._lock:
            if model not in self._models:
                if len(self._models) < _MOST_MODELS:
                    self._models.add(model)
                else:
                    model = OTHER
            self._counts[answer.decision.action, answer.source, model] += 1

    async def start(self) -> None:
        """Begin to write this worker's counts."""
        # A process id can be used again, and a dead worker's counts stay.
        self._file = self._folder / f"{_PREFIX}{os.getpid()}-{uuid.uuid4().hex}"
        self._task = asyncio.create_task(self._keep_writing())

    async def stop(self) -> None:
        """Stop, and write the remaining counts."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._write_if_possible()

    def read(self) -> Counters:
        """Return the counts of all workers, those of ended workers included; raises OSError."""
        total: _Counts = Counter()
        for path in self._folder.glob(f"{_PREFIX}*"):
            if path != self._file and not path.name.endswith(".new"):
                total.update(
                    {(each.action, each.source, each.model): each.count for each in _decode(path.read_bytes())}
                )
        with self._lock:
            total.update(self._counts)
        return Counters(
            start_id=self._start_id,
            host=self._host,
            pid=self._pid,
            started=self._started,
            workers=self._workers,
            decisions=_rows(total),
        )

    def write(self) -> None:
        """Write this worker's counts if they changed; a reader sees a complete file."""
        with self._lock:
            counted = self._counts.total()
            if self._file is None or counted == self._written:
                return
            body = _encode(_rows(self._counts))
        new = self._file.with_suffix(".new")
        new.write_bytes(body)
        new.replace(self._file)
        self._written = counted

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self._write_if_possible()

    def _write_if_possible(self) -> None:
        try:
            self.write()
        except OSError:
            # Log it once: twenty lines a second would hide the others.
            _log.log(logging.DEBUG if self._failed else logging.ERROR, "the counters weren't written", exc_info=True)
            self._failed = True
        else:
            self._failed = False


def _rows(counts: _Counts) -> list[DecisionCount]:
    return [
        DecisionCount(action=action, source=source, model=model, count=count)
        for (action, source, model), count in sorted(counts.items())
    ]
