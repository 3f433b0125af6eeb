"""The form of the outbox's files: a header, then frames, written through a mapping that is shared with the kernel.

The kernel has the bytes that a process has written to the mapping: they aren't lost when the process is killed. A frame
begins at a multiple of 8 bytes. It has its content's length, a checksum, its number and its kind before the content.
The header says where the committed frames end. The writer writes this end last: while a process writes the file, frames
after the end don't count.
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
    """What a frame holds: a record, or the names that records refer to by their hash."""

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
    """Return the start value of a file's checksums: clients don't know the file's name, so can't send a valid frame."""
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
    """Return the frame that begins at `place`; None if there is none, or if it is cut or altered."""
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
