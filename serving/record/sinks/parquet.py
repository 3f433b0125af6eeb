"""The record's documents as Parquet, with every column's type given and the same bytes for the same documents."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from customer_risk.serving.contract.columns import columns_of, duckdb_columns
from customer_risk.serving.record.outbox.record import Document

COLUMNS: Final = columns_of(Document)
_NAMES: Final = frozenset(each.name for each in COLUMNS)
# By type: what SQL makes of a document's text before it is stored, and of what is stored to read it.
_WRITTEN: Final = {"TIMESTAMP": "CAST({0} AS TIMESTAMPTZ)", "BYTES": "from_base64({0})"}
_READ: Final = {
    "TIMESTAMP": "strftime({0} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')",
    "BYTES": "to_base64({0})",
}
_SHAPE: Final = duckdb_columns(replace(each, duckdb="VARCHAR") if each.type in _WRITTEN else each for each in COLUMNS)
_encode_lines: Final = msgspec.json.Encoder().encode_lines
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Parquet:
    """Writes and reads segments; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._base: duckdb.DuckDBPyConnection | None = None

    def encode(self, documents: Sequence[dict[str, Any]]) -> bytes:
        """Write documents to Parquet; raises ValueError where one has other fields or types than columns."""
        for each in documents:
            if each.keys() != _NAMES:
                raise ValueError(f"a record has other fields than its columns: {each.keys() ^ _NAMES}")
        with self._lock, tempfile.TemporaryDirectory(prefix="customer-risk-") as folder:
            lines, path = Path(folder) / "lines", Path(folder) / "segment"
            lines.write_bytes(_encode_lines(documents))
            try:
                self._opened().execute(
                    f"COPY (SELECT {_columns(_WRITTEN)} FROM read_json('{lines}', format = 'newline_delimited', "  # noqa: S608  all of it ours
                    f"columns = {_SHAPE})) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
                )
            except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
                raise ValueError(f"a record has a value that its column doesn't take: {error}") from error
            return path.read_bytes()

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        """Read documents back, as they were and in order; raises ValueError where the bytes are no segment."""
        with self._lock, tempfile.TemporaryDirectory(prefix="customer-risk-") as folder:
            path = Path(folder) / "segment"
            path.write_bytes(data)
            try:
                rows = self._opened().execute(
                    f"SELECT to_json(line) FROM (SELECT {_columns(_READ)} FROM read_parquet($1)) line",  # noqa: S608  all of it ours
                    [str(path)],
                )
                return [_decode(line) for (line,) in rows.fetchall()]
            except duckdb.Error as error:
                raise ValueError(f"not a segment: {error}") from error

    def _opened(self) -> duckdb.DuckDBPyConnection:
        if self._base is None:
            # One thread, so that rows keep their order and files their bytes.
            self._base = duckdb.connect(
                ":memory:",
                config={"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False},
            )
        return self._base


def _columns(made: Mapping[str, str]) -> str:
    return ", ".join(f"{made.get(each.type, '{0}').format(each.name)} AS {each.name}" for each in COLUMNS)
