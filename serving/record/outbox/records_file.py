"""Reads outbox files of this release."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from customer_risk.model.files import open_regular
from customer_risk.serving.record.outbox.file import QUARANTINE, NumberedRecord, quarantine_record
from customer_risk.serving.record.outbox.frames import (
    ALIGNMENT,
    FRAME,
    HEADER_BYTES,
    SUFFIX,
    Frame,
    FrameKind,
    committed_end,
    frame_at,
    frame_bytes,
    seed_of,
)
from customer_risk.serving.record.outbox.record import hash_names

_LEAST_FRAME: Final = frame_bytes(1)
_DOUBT_SECONDS: Final = 1.0  # some processors reorder writes: a frame may be visible before its last bytes


class RecordsFile:
    """One file of frames. With `quarantine`, damaged bytes are copied to the folder of that name.

    The file is read and not mapped: if it is truncated meanwhile, fewer bytes are read, without a SIGBUS. Frames are
    found in order, each once; damaged bytes are skipped up to the next undamaged frame. While a process writes the
    file, only frames before the committed end count. Afterwards all frames count, so an altered header hides no frame.
    """

    def __init__(self, path: Path, *, quarantine: bool = False) -> None:
        self.path = path
        self.source = path.stem
        self.damaged = 0
        self._quarantine = quarantine
        self._seed = seed_of(path.stem)
        self._lock = threading.RLock()
        self._starts = array("Q")  # at n - 1: start of record n's content; 0 if the record is damaged or missing
        self._ends = array("Q")
        self._names: dict[str, tuple[str, ...]] = {"": ()}
        self._lost_names: set[str] = set()  # hashes that no file of the folder has
        self._found = HEADER_BYTES  # place up to which the frames are known
        self._complete = False  # whether all frames were found
        self._doubt = (0, 0.0)  # place of a damaged frame, and when it was found, in monotonic seconds
        self._whole = True

    @property
    def alive(self) -> bool:
        """Whether a process still writes the file."""
        with self._opened() as descriptor:
            return _locked(descriptor)

    def last(self) -> int:
        """Return the number of the last record, 0 without records; in a damaged file, of the last readable record."""
        with self._lock, self._opened() as descriptor:
            self._find(descriptor)
            return len(self._starts)

    def read(self, after: int, most: int) -> list[NumberedRecord]:
        """Return the records with numbers above `after`, in order, without damaged ones."""
        with self._lock, self._opened() as descriptor:
            if len(self._starts) < after + most:
                self._find(descriptor)
            last = min(after + most, len(self._starts))
            seqs = [seq for seq in range(after + 1, last + 1) if self._starts[seq - 1]]
            if not seqs:
                return []
            first = self._starts[seqs[0] - 1] - FRAME.size
            data = memoryview(os.pread(descriptor, self._ends[seqs[-1] - 1] - first, first))
            return [kept for seq in seqs if (kept := self._sound(seq, data, first)) is not None]

    def names(self, names_hash: str) -> tuple[str, ...]:
        """Return the features' names by their hash; raises KeyError if no file of the folder has them."""
        with self._lock:
            if names_hash not in self._names:
                with self._opened() as descriptor:
                    self._find(descriptor)
            if names_hash not in self._names and names_hash not in self._lost_names:  # their frame was damaged
                self._search_names(names_hash)
            return self._names[names_hash]

    def whole(self) -> bool:
        """Return whether all of the file can be read; reads all of it."""
        with self._lock, self._opened() as descriptor:
            self._find(descriptor)
            return self._whole

    def used(self) -> int:
        """Return the number of bytes that the file's records take."""
        return self._found

    def size(self) -> int:
        """Return the number of bytes that the file takes on the disk."""
        return self.path.stat().st_size

    def shrink(self) -> None:
        """Free the space that a killed process allocated and didn't use."""
        with self._lock, self._opened() as descriptor:
            self._find(descriptor)
            if self._whole and not _locked(descriptor) and os.fstat(descriptor).st_size > self._found:
                os.truncate(self.path, self._found)

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)

    def quarantine(self) -> None:
        """Move the file to quarantine: its other records can't be read."""
        aside = self.path.parent / QUARANTINE
        aside.mkdir(exist_ok=True)
        self.path.replace(aside / self.path.name)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        descriptor = open_regular(self.path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _search_names(self, names_hash: str) -> None:
        """Take the names from another file of the folder, verified by their hash; search only once for each hash."""
        for path in self.path.parent.glob(f"*{SUFFIX}"):
            other = RecordsFile(path)
            with suppress(OSError), other._opened() as descriptor:
                other._find(descriptor)
            names = other._names.get(names_hash, ())
            if hash_names(names) == names_hash:
                self._names[names_hash] = names
                return
        self._lost_names.add(names_hash)

    def _find(self, descriptor: int) -> None:
        """Find the frames after those of the last call: the committed ones, or all if no process writes the file."""
        if self._complete:
            return
        alive, size = _locked(descriptor), os.fstat(descriptor).st_size
        try:
            committed = committed_end(os.pread(descriptor, HEADER_BYTES, 0))
        except ValueError:
            committed = size + 1
        if committed > size:  # the header is damaged, or the file was cut
            if alive:  # the writer will notice this and begin another file
                return
            self._whole, committed = False, size
        base, place = self._found, 0
        end = committed if alive else size
        data = memoryview(os.pread(descriptor, max(0, end - base), base))
        while place < len(data):
            frame = frame_at(data, place, self._seed)
            if frame is not None and not self._lost_before(frame):
                self._note(frame, data, base)
                place = frame.next
                continue
            if alive and self._is_in_doubt(base + place):
                break
            following = self._skip(data, place, committed - base)
            if following is None:
                break
            place = following
        self._found = base + place
        self._complete = not alive

    def _lost_before(self, frame: Frame) -> int:
        """Return the number of missing records before a frame; negative if it can't follow the last frame."""
        return 0 if frame.kind == FrameKind.NAMES else frame.number - 1 - len(self._starts)

    def _is_in_doubt(self, place: int) -> bool:
        """Return whether a damaged frame of a file that is being written may have been read too early."""
        if self._doubt[0] != place:
            self._doubt = (place, time.monotonic())
        return time.monotonic() - self._doubt[1] < _DOUBT_SECONDS

    def _skip(self, data: memoryview, place: int, committed: int) -> int | None:
        """Skip the damaged bytes at `place`; return where to continue, or None if the rest isn't damaged.

        After the place `committed`, the rest is unused space, or a frame whose writer was killed.
        """
        unused = place >= committed and not data[place:].tobytes().strip(b"\0")
        for at in range(len(data) if unused else place + ALIGNMENT, len(data), ALIGNMENT):
            frame = frame_at(data, at, self._seed)
            if frame is not None and 0 <= (lost := self._lost_before(frame)) <= (at - place) // _LEAST_FRAME:
                self._give_up(lost, data[place + FRAME.size : at])
                return at
        if place >= committed:
            return None
        lost = int(_is_last(data[:committed], place, len(self._starts) + 1))
        self._give_up(lost, data[place + FRAME.size : committed])
        return len(data)

    def _sound(self, seq: int, data: memoryview, base: int) -> NumberedRecord | None:
        """Return a record that was found before; if it was damaged since, count it as damaged and return None."""
        start, end = self._starts[seq - 1] - base, self._ends[seq - 1] - base
        frame = frame_at(data, start - FRAME.size, self._seed)
        if frame is not None and (frame.number, frame.end) == (seq, end):
            return NumberedRecord(seq, bytes(data[start:end]))
        self._starts[seq - 1] = 0
        self._count_damaged(1, seq, data[start:end])
        return None

    def _give_up(self, lost: int, skipped: memoryview) -> None:
        self._count_damaged(lost, len(self._starts) + 1, skipped)
        self._starts.extend([0] * lost)
        self._ends.extend([0] * lost)

    def _count_damaged(self, lost: int, first: int, content: memoryview) -> None:
        self._whole = False
        self.damaged += lost
        if lost and self._quarantine:
            quarantine_record(self, first, bytes(content))

    def _note(self, frame: Frame, data: memoryview, base: int) -> None:
        if frame.kind == FrameKind.NAMES:
            names_hash, *names = json.loads(bytes(data[frame.start : frame.end]))
            self._names[names_hash] = tuple(names)
            return
        self._starts.append(base + frame.start)
        self._ends.append(base + frame.end)


def _is_last(data: memoryview, place: int, number: int) -> bool:
    """Return whether a damaged frame is the record of that number, and the last frame of the data."""
    if place + FRAME.size > len(data):
        return False
    length, _, found, kind = FRAME.unpack_from(data, place)
    return (found, kind) == (number, FrameKind.RECORD) and place + frame_bytes(length) == len(data)


def _locked(descriptor: int) -> bool:
    """Return whether a writer has the exclusive lock; tries a shared lock, so other readers aren't excluded."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
