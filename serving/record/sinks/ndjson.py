"""The record's documents as compressed lines of JSON, with the same bytes for the same documents."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from isal import igzip

from customer_risk.serving.record.sinks.batch import RecordBatch


class _Identified(msgspec.Struct):
    """The field of a line that identifies its record."""

    decision_id: str


SUFFIX: Final = ".ndjson.gz"
_LEVEL: Final = 2  # smaller output than zlib's level 1, in a quarter of its time
_NOT_LINES: Final = (OSError, EOFError, zlib.error, msgspec.MsgspecError, RecursionError)
_encode: Final = msgspec.json.Encoder(order="sorted").encode_lines
_decode_ids: Final = msgspec.json.Decoder(_Identified).decode_lines
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode_lines


class Lines:
    """Writes and reads segments; any thread may call."""

    def encode(self, documents: Sequence[dict[str, Any]]) -> bytes:
        """Return documents as bytes, one line each; raises ValueError for a value that JSON can't represent."""
        try:
            lines = _encode(documents.with_json_features() if isinstance(documents, RecordBatch) else documents)
        except (TypeError, msgspec.MsgspecError) as error:
            raise ValueError(str(error)) from error
        # Releases the GIL. Without mtime=0, each attempt would make other bytes.
        return igzip.compress(lines, _LEVEL, mtime=0)

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        """Return the documents, in order; raises ValueError if the bytes aren't a segment."""
        if not data:  # gzip decompresses no bytes to no bytes
            raise ValueError("not a segment: it is empty")
        try:
            return _decode(gzip.decompress(data))
        except _NOT_LINES as error:
            raise ValueError(f"not a segment: {error}") from error

    def check_exact(self, data: bytes, documents: Sequence[dict[str, Any]]) -> None:
        """Raise ValueError if the lines aren't those that `encode` makes; the compression may differ."""
        if gzip.decompress(data) != _encode(documents):
            raise ValueError("a line has a field twice, or differs from the form of the record's lines")

    def ids(self, data: bytes) -> list[str]:
        """Return the records' ids, in order; raises ValueError if the bytes are not a segment."""
        try:
            return [each.decision_id for each in _decode_ids(gzip.decompress(data))]
        except _NOT_LINES as error:
            raise ValueError(f"not a segment: {error}") from error
