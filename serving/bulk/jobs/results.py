"""Results as the store keeps them: each piece is one gzip member, so that joined pieces are a gzip file too."""

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
    """Return a piece compressed; a compressed piece is returned unchanged."""
    return piece if piece.startswith(_MAGIC) else pack((piece,))


def unpack(piece: bytes) -> Iterator[bytes]:
    """Yield a piece's lines in chunks of at most a megabyte; an uncompressed piece of an older version is one chunk."""
    if not piece.startswith(_MAGIC):
        yield piece
        return
    unpacker = zlib.decompressobj(_GZIP)
    while chunk := unpacker.decompress(piece, _CHUNK):
        piece = unpacker.unconsumed_tail
        yield chunk
