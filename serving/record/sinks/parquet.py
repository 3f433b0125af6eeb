"""The record's documents as Parquet, with every column's type given and the same bytes for the same documents."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

COLUMNS: Final = {
    "version": "INTEGER",
    "kind": "VARCHAR",
    "decision_id": "VARCHAR",
    "recorded_at": "TIMESTAMPTZ",
    "took_us": "BIGINT",
    "route": "VARCHAR",
    "caller": "VARCHAR",
    "trace": "VARCHAR",
    "customer_id": "VARCHAR",
    "status": "INTEGER",
    "problem": "VARCHAR",
    "pointers": "VARCHAR[]",
    "source": "VARCHAR",
    "model": "STRUCT(name VARCHAR, version VARCHAR)",
    "cpu": "VARCHAR",
    "probability": "DOUBLE",
    "segment": "VARCHAR",
    "action": "VARCHAR",
    "reasons": (
        'STRUCT(code VARCHAR, "text" VARCHAR, direction VARCHAR, feature VARCHAR, "value" DOUBLE, unit VARCHAR, '
        "contribution DOUBLE, share DOUBLE, investigator_text VARCHAR)[]"
    ),
    "warnings": "STRUCT(code VARCHAR, pointer VARCHAR, detail VARCHAR)[]",
    "features": 'STRUCT(name VARCHAR, "value" DOUBLE)[]',
    "transactions": "INTEGER",
    "encoded": "BLOB",
    "history_complete": "BOOLEAN",
}
_AS_TEXT: Final = {"recorded_at": "VARCHAR", "encoded": "VARCHAR"}
_SHAPE: Final = ", ".join(f"{name}: '{kind}'" for name, kind in {**COLUMNS, **_AS_TEXT}.items())
_WRITTEN: Final = {"recorded_at": "CAST(recorded_at AS TIMESTAMPTZ)", "encoded": "from_base64(encoded)"}
_READ: Final = {
    "recorded_at": "strftime(recorded_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')",
    "encoded": "to_base64(encoded)",
}
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
            if each.keys() != COLUMNS.keys():
                raise ValueError(f"a record has other fields than its columns: {set(each) ^ set(COLUMNS)}")
        with self._lock, tempfile.TemporaryDirectory(prefix="customer-risk-") as folder:
            lines, path = Path(folder) / "lines", Path(folder) / "segment"
            lines.write_bytes(_encode_lines(documents))
            try:
                self._opened().execute(
                    f"COPY (SELECT {_columns(_WRITTEN)} FROM read_json('{lines}', format = 'newline_delimited', "  # noqa: S608  all of it ours
                    f"columns = {{{_SHAPE}}})) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
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


def _columns(made: dict[str, str]) -> str:
    return ", ".join(f"{made.get(name, name)} AS {name}" for name in COLUMNS)
