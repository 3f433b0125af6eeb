"""Reads outbox files of this release."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from customer_risk.serving.record.outbox.file import QUARANTINE, Kept, set_record_aside
from customer_risk.serving.record.outbox.frames import (
    ALIGNMENT,
    FRAME,
    HEADER_BYTES,
    Frame,
    FrameKind,
    committed_end,
    frame_at,
    frame_bytes,
)


class RecordsFile:
    """One file of frames, by its path.

    The file is read, never mapped: if it is cut meanwhile, fewer bytes are read, without a SIGBUS. Frames are found in
    order, each once. Once no process writes the file, damaged bytes are skipped up to the next undamaged frame.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = path.stem
        self.damaged = 0
        self._lock = threading.RLock()
        self._starts = array("Q")  # at n - 1: start of record n's content; 0 if the record is damaged or missing
        self._ends = array("Q")
        self._names: dict[str, tuple[str, ...]] = {"": ()}
        self._found = HEADER_BYTES  # place up to which the frames are known
        self._whole = True

    @property
    def alive(self) -> bool:
        """Whether a process still writes the file."""
        with self._opened() as descriptor:
            return _locked(descriptor)

    def last(self) -> int:
        """Return the number of the last record, 0 if there is none; in a damaged file, the last readable one counts."""
        with self._lock, self._opened() as descriptor:
            self._find(descriptor)
            return len(self._starts)

    def read(self, after: int, most: int) -> list[Kept]:
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
        """Return the features' names with a hash; raises KeyError if the file doesn't have them."""
        with self._lock:
            if names_hash not in self._names:
                with self._opened() as descriptor:
                    self._find(descriptor)
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

    def set_aside(self) -> None:
        """Move the file to quarantine: its other records can't be read."""
        aside = self.path.parent / QUARANTINE
        aside.mkdir(exist_ok=True)
        self.path.replace(aside / self.path.name)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _find(self, descriptor: int) -> None:
        """Find the frames that were committed since the last call."""
        size = os.fstat(descriptor).st_size
        try:
            end = committed_end(os.pread(descriptor, HEADER_BYTES, 0))
        except ValueError:
            end = size + 1
        if end > size:  # the header is damaged, or the file was cut
            if _locked(descriptor):
                return
            self._whole = False
            end = size
        if end <= self._found:
            return
        base, place, skipped = self._found, 0, b""
        data = memoryview(os.pread(descriptor, end - base, base))
        while base + place < end:
            frame = frame_at(data, place)
            lost = self._lost_before(frame)
            if lost and _locked(descriptor):
                break  # read again once its writer has ended
            if frame is None or lost < 0:
                following = _next_sound(data, place)
                skipped = bytes(data[place + FRAME.size : following])
                if following is None and _is_last(data, place, len(self._starts) + 1):
                    self._give_up(1, skipped)
                place = end - base if following is None else following
                self._whole = False
                continue
            if lost:
                self._give_up(lost, skipped)
            self._note(frame, data, base)
            place = frame.next
        self._found = base + place

    def _lost_before(self, frame: Frame | None) -> int:
        """Return how many records are missing before a frame; a negative number if it can't follow the last frame."""
        if frame is None:
            return -1
        return 0 if frame.kind == FrameKind.NAMES else frame.number - 1 - len(self._starts)

    def _sound(self, seq: int, data: memoryview, base: int) -> Kept | None:
        """Return a record that was found before; if it was damaged since, copy it to quarantine and return None."""
        start, end = self._starts[seq - 1] - base, self._ends[seq - 1] - base
        content = bytes(data[start:end])
        frame = frame_at(data, start - FRAME.size)
        if frame is not None and (frame.number, frame.end) == (seq, end):
            return Kept(seq, content)
        set_record_aside(self, seq, content)
        self._starts[seq - 1] = 0
        self._whole = False
        self.damaged += 1
        return None

    def _give_up(self, count: int, skipped: bytes) -> None:
        set_record_aside(self, len(self._starts) + 1, skipped)
        self._whole = False
        self.damaged += count
        self._starts.extend([0] * count)
        self._ends.extend([0] * count)

    def _note(self, frame: Frame, data: memoryview, base: int) -> None:
        if frame.kind == FrameKind.NAMES:
            names_hash, *names = json.loads(bytes(data[frame.start : frame.end]))
            self._names[names_hash] = tuple(names)
            return
        self._starts.append(base + frame.start)
        self._ends.append(base + frame.end)


def _next_sound(data: memoryview, place: int) -> int | None:
    """Return where the next undamaged frame after `place` begins, or None if there is none."""
    return next(
        (at for at in range(place + ALIGNMENT, len(data), ALIGNMENT) if frame_at(data, at) is not None),
        None,
    )


def _is_last(data: memoryview, place: int, number: int) -> bool:
    """Return whether a damaged frame is the record of that number, and the last frame of the data."""
    if place + FRAME.size > len(data):
        return False
    length, _, found, kind = FRAME.unpack_from(data, place)
    return (found, kind) == (number, FrameKind.RECORD) and place + frame_bytes(length) == len(data)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
