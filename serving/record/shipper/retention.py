"""Removes outbox files that are done, and moves damaged ones to quarantine."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from customer_risk.serving.record.outbox.frames import SUFFIX
from customer_risk.serving.record.outbox.sqlite_file import SQLITE_SUFFIX
from customer_risk.serving.record.outbox.writer import UNFINISHED
from customer_risk.serving.record.shipper.files import Files, Seen
from customer_risk.serving.record.shipper.progress import Progress

_FULL: Final = 0.8  # share of the outbox's size above which done files are removed at once
_ORPHAN_SECONDS: Final = 60.0
_PARTS: Final = (
    ".lock",
    f"{SQLITE_SUFFIX}-wal",
    f"{SQLITE_SUFFIX}-shm",
    f"{SUFFIX}{UNFINISHED}",
)  # suffixes of files beside an outbox file, and of new files
_log = logging.getLogger("serving.record")


class Retention:
    """Cleans one outbox folder; `damaged(count)` is called for a file that is moved to quarantine.

    A file is done once it has no writer and every sink of `sinks` has passed its last record.
    """

    def __init__(
        self,
        folder: Path,
        files: Files,
        progress: Progress,
        sinks: Sequence[str],
        *,
        most_bytes: int,
        keep_seconds: float,
        damaged: Callable[[int], object] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._files = files
        self._progress = progress
        self._sinks = sinks
        self._most = most_bytes
        self._keep = keep_seconds
        self._damaged = damaged
        self._clock = clock
        self._whole: set[str] = set()

    def run(self) -> None:
        """Check all files, the oldest first."""
        found = self._files_found()
        size = sum(each.st_size for each in found.values())
        for seen in self._files.look():
            if not seen.alive:
                seen.file.shrink()
            if self.done(seen) and self._in_order(seen):
                taken = seen.file.size()
                since = self._progress.done(seen.file.source, self._clock())
                if seen.last == 0 or self._clock() - since >= self._keep or size > _FULL * self._most:
                    seen.file.remove()
                    self._forget(seen)
                    size -= taken
        self._remove_orphans(found)

    def done(self, seen: Seen) -> bool:
        """Return whether a file has no writer and every sink has all of its records."""
        source = seen.file.source
        return not seen.alive and all(self._progress.cursor(sink, source) >= seen.last for sink in self._sinks)

    def _in_order(self, seen: Seen) -> bool:
        """Return whether all of a file could be read; if not, move it to quarantine."""
        source = seen.file.source
        if source in self._whole:
            return True
        damaged = self._progress.damaged(source)
        if not damaged and seen.file.whole():
            self._whole.add(source)
            return True
        if not damaged:
            self._damaged(1)  # at least one record; the number is unknown
        _log.error(
            "the outbox file %s is damaged; it is moved to quarantine, and its undamaged records were shipped",
            seen.file.path.name,
        )
        seen.file.quarantine()
        self._forget(seen)
        return False

    def _forget(self, seen: Seen) -> None:
        self._files.forget(seen.file.source)
        self._progress.forget(seen.file.source)

    def _files_found(self) -> dict[str, os.stat_result]:
        """Return the size and times of each file in the folder, by name."""
        found = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # a writer removed it meanwhile
                    if entry.is_file():
                        found[entry.name] = entry.stat()
        return found

    def _remove_orphans(self, found: Mapping[str, os.stat_result]) -> None:
        """Remove the files that an interrupted removal left, but not a writer's new files."""
        before = self._clock() - _ORPHAN_SECONDS
        for name, each in found.items():
            source, _, rest = name.partition(".")
            if len(source) == 32 and f".{rest}" in _PARTS and f"{source}{SQLITE_SUFFIX}" not in found:
                path = self._folder / name
                if each.st_mtime < before and not path.with_name(source + SQLITE_SUFFIX).exists():
                    path.unlink(missing_ok=True)
