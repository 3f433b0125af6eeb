"""The outbox's files, read once for all sinks."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

from customer_risk.serving.record.outbox.file import OutboxFile
from customer_risk.serving.record.outbox.reader import find_files

_LOOK_SECONDS: Final = 0.05  # between two readings of the folder
_SETTLED_NS: Final = 2_000_000_000  # a folder that changed more recently may change again with the same mtime
_log = logging.getLogger("serving.record")


class Seen(NamedTuple):
    """A file, whether a process still writes it, and the number of its last record."""

    file: OutboxFile
    alive: bool
    last: int


class Files:
    """Lists the files of a folder, at most twenty times a second; any thread may call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._known: dict[str, OutboxFile] = {}
        self._ended: dict[str, Seen] = {}  # files without a writer, which don't change
        self._unreadable: set[str] = set()  # files whose error was logged
        self._seen: list[Seen] = []
        self._listed = -1  # the folder's modification time at the last listing, in nanoseconds since 1970
        self._looked = -_LOOK_SECONDS

    def look(self, *, now: bool = False) -> list[Seen]:
        """Return all files, the oldest first, without those that can't be read now. `now` reads the folder again."""
        with self._lock:
            if now or time.monotonic() - self._looked >= _LOOK_SECONDS:
                self._seen = self._look()
                self._looked = time.monotonic()
            return list(self._seen)

    def forget(self, source: str) -> None:
        """Drop a file that was removed."""
        with self._lock:
            self._seen = [seen for seen in self._seen if seen.file.source != source]
            self._known.pop(source, None)
            self._ended.pop(source, None)

    def _look(self) -> list[Seen]:
        changed = self._folder.stat().st_mtime_ns
        if changed != self._listed or time.time_ns() - changed < _SETTLED_NS:
            found = {file.source: file for file in find_files(self._folder, quarantine=True)}
            self._known = {source: self._known.get(source, file) for source, file in found.items()}
            self._ended = {source: seen for source, seen in self._ended.items() if source in found}
            self._listed = changed
        return [seen for file in self._known.values() if (seen := self._look_at(file)) is not None]

    def _look_at(self, file: OutboxFile) -> Seen | None:
        if file.source in self._ended:
            return self._ended[file.source]
        try:
            alive = file.alive  # read before `last`: the last record is final only if no writer exists
            seen = Seen(file, alive, file.last())
        except Exception as error:  # noqa: BLE001  an error of one file must not stop the others
            if file.path.exists() and file.source not in self._unreadable:
                _log.warning("the outbox file %s can't be read now: %r", file.path.name, error)
                self._unreadable.add(file.source)
            return None
        self._unreadable.discard(file.source)
        if not alive:
            self._ended[file.source] = seen
        return seen
