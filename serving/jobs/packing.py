"""Results as the store keeps them: a piece is one member of a gzip file, so that pieces joined are such a file too."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

_MAGIC: Final = b"\x1f\x8b"
_GZIP: Final = 31  # of zlib: the largest window, with gzip's header
_LEVEL: Final = 1
_CHUNK: Final = 1024 * 1024


def pack(lines: Iterable[bytes]) -> bytes:
    """Compress the lines of one piece; only the compressed form is held in memory."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    parts = [packer.compress(line) for line in lines]
    return b"".join((*parts, packer.flush()))


def packed(piece: bytes) -> bytes:
    """Return a piece compressed; it is left as it is where it is already."""
    return piece if piece.startswith(_MAGIC) else pack((piece,))


def unpack(piece: bytes) -> Iterator[bytes]:
    """Return a piece's lines in chunks of at most a megabyte; one that isn't compressed, as of old, as it is."""
    if not piece.startswith(_MAGIC):
        yield piece
        return
    unpacker = zlib.decompressobj(_GZIP)
    while chunk := unpacker.decompress(piece, _CHUNK):
        piece = unpacker.unconsumed_tail
        yield chunk
