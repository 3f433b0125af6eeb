"""The form of the outbox's files: a header, then frames, written through a shared memory mapping.

The kernel has all bytes that a process wrote to the mapping, so they survive a kill of the process. A frame begins at
a multiple of 8 bytes. Its content follows a length, a checksum, a number and a kind. The header has the end of the
committed frames, which the writer updates last: while a process writes the file, frames after this end are ignored.
"""

from __future__ import annotations

import struct
import sys
import zlib
from enum import IntEnum
from typing import Final, NamedTuple

SUFFIX: Final = ".records"
MAGIC: Final = b"crisk\x00\x00\x01"
HEADER_BYTES: Final = 64  # the magic, then the end of the committed frames; the rest is reserved
END_WORD: Final = 1  # the word of 8 bytes, in the machine's order, which says where the committed frames end
FRAME: Final = struct.Struct("=IIII")  # length of the content, checksum, number, kind
ALIGNMENT: Final = 8


class FrameKind(IntEnum):
    """The content of a frame: a record, or the names that records refer to by their hash."""

    RECORD = 1
    NAMES = 2


class Frame(NamedTuple):
    """An undamaged frame: its content is from `start` to `end`, and the next frame may begin at `next`."""

    kind: int
    number: int
    start: int
    end: int
    next: int


def frame_bytes(length: int) -> int:
    """Return the number of bytes of a frame whose content has `length` bytes."""
    return FRAME.size + length + -length % ALIGNMENT


def seed_of(source: str) -> int:
    """Return the start value of a file's checksums.

    Clients don't know the file's name, so a request can't contain a valid frame.
    """
    return zlib.crc32(source.encode())


def checksum(content: bytes | memoryview, number: int, seed: int) -> int:
    """Return the checksum of a frame, over its content, its number and its file's seed."""
    return zlib.crc32(content, number + seed & _WORD)


def committed_end(header: bytes) -> int:
    """Return where a file's committed frames end; raises ValueError if the bytes aren't a header."""
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        raise ValueError("not a header of an outbox file")
    return int.from_bytes(header[8 * END_WORD : 8 * END_WORD + 8], sys.byteorder)


def frame_at(data: memoryview, place: int, seed: int) -> Frame | None:
    """Return the frame that begins at `place`, or None if it is missing, cut or altered."""
    start = place + FRAME.size
    if start > len(data):
        return None
    length, total, number, kind = FRAME.unpack_from(data, place)
    end = start + length
    if not length or kind not in _KINDS or end > len(data) or checksum(data[start:end], number, seed) != total:
        return None
    return Frame(kind, number, start, end, end + -length % ALIGNMENT)


_KINDS: Final = frozenset(FrameKind)
_WORD: Final = 0xFFFF_FFFF
