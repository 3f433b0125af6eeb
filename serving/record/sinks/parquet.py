"""The record's documents as Parquet: fixed column types, and the same bytes for the same documents."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from customer_risk.serving.contract.columns import Column, columns_of, duckdb_columns, duckdb_type
from customer_risk.serving.contract.sql import literal, pattern_of
from customer_risk.serving.record.outbox.record import ADDED, Document
from customer_risk.serving.record.sinks.batch import RecordBatch

COLUMNS: Final = columns_of(Document)
_NAMES: Final = frozenset(each.name for each in COLUMNS)
# By type: the SQL that converts a document's text to a column, and back.
_WRITTEN: Final = {"TIMESTAMP": "CAST({0} AS TIMESTAMPTZ)", "BYTES": "from_base64({0})"}
_READ: Final = {"TIMESTAMP": "strftime({0} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')", "BYTES": "to_base64({0})"}
_FILE: Final = "read_parquet($1, hive_partitioning = false)"  # no columns from folders such as `day=1`
_LEAST_COLUMNS: Final = 100  # records: with fewer, a query with a column for each feature is slower
_FEATURES: Final = "features"
_FEATURES_TYPE: Final = next(duckdb_type(each) for each in COLUMNS if each.name == _FEATURES)
_encode_lines: Final = msgspec.json.Encoder().encode_lines
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Parquet:
    """Writes and reads segments; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._base: duckdb.DuckDBPyConnection | None = None

    def encode(self, documents: Sequence[dict[str, Any]]) -> bytes:
        """Return documents as Parquet; raises ValueError if one has other fields or types than the columns."""
        if isinstance(documents, RecordBatch) and len(documents) >= _LEAST_COLUMNS:
            return self._write(documents.without_numbers(), _Numbers(documents))
        for each in documents:
            if each.keys() != _NAMES:
                raise ValueError(f"a record has other fields than its columns: {each.keys() ^ _NAMES}")
        return self._write(documents, None)

    def _write(self, documents: Sequence[object], numbers: _Numbers | None) -> bytes:
        """Return documents as Parquet; `numbers`, if given, has their features and encoded customers as columns."""
        made = _WRITTEN if numbers is None else _WRITTEN | numbers.expressions
        columns = [each for each in COLUMNS if each.name not in made]
        with self._lock, tempfile.TemporaryDirectory(prefix="customer-risk-") as folder:
            lines, path = Path(folder) / "lines", Path(folder) / "segment"
            lines.write_bytes(_encode_lines(documents))
            source = (
                f"read_json({literal(pattern_of(lines))}, format = 'newline_delimited', columns = {_shape(columns)})"
            )
            base = self._opened()
            try:
                if numbers is not None:
                    base.register("numbers", numbers.columns)
                    source += " POSITIONAL JOIN numbers"
                to = f"{literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
                base.execute(f"COPY (SELECT {_columns(made)} FROM {source}) TO {to}")  # noqa: S608  no text of a caller
            except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
                raise ValueError(f"a record has a value that its column doesn't take: {error}") from error
            finally:
                if numbers is not None:
                    base.unregister("numbers")
            return path.read_bytes()

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        """Return the documents of a segment, in order; raises ValueError if the bytes aren't a segment.

        Columns that an earlier release didn't write have the values that it meant (`ADDED`).
        """
        with self._lock, tempfile.TemporaryDirectory(prefix="customer-risk-") as folder:
            path = Path(folder) / "segment"
            path.write_bytes(data)
            base, where = self._opened(), [pattern_of(path)]
            try:
                found = {row[0] for row in base.execute(f"DESCRIBE FROM {_FILE}", where).fetchall()}
                columns = [each for each in COLUMNS if each.name in found or each.name not in ADDED]
                rows = base.execute(
                    f"SELECT to_json(line) FROM (SELECT {_columns(_READ, columns)} FROM {_FILE}) line",  # noqa: S608  no text of a caller
                    where,
                )
                missing = {name: value for name, value in ADDED.items() if name not in found}
                return [_decode(line) | missing for (line,) in rows.fetchall()]
            except (duckdb.Error, RecursionError) as error:
                raise ValueError(f"not a segment: {error}") from error

    def ids(self, data: bytes) -> list[str]:
        """Return the ids in order; raises ValueError if the bytes aren't a segment."""
        with self._lock, tempfile.NamedTemporaryFile(prefix="customer-risk-") as file:
            path = Path(file.name)
            path.write_bytes(data)
            try:
                rows = self._opened().execute(f"SELECT decision_id FROM {_FILE}", [pattern_of(path)]).fetchall()  # noqa: S608  a constant
            except duckdb.Error as error:
                raise ValueError(f"not a segment: {error}") from error
        ids = [record_id for (record_id,) in rows]
        if not all(isinstance(each, str) for each in ids):
            raise ValueError("not a segment: a record has no decision_id")
        return ids

    def check_exact(self, data: bytes, documents: Sequence[dict[str, Any]]) -> None:  # noqa: ARG002  other forms need them
        """Raise ValueError if the file has other columns than records have, or columns of other types.

        Columns that earlier releases didn't write may be missing.
        """
        known = ", ".join(f'CAST(NULL AS {duckdb_type(each)}) AS "{each.name}"' for each in COLUMNS)
        with self._lock, tempfile.TemporaryDirectory(prefix="customer-risk-") as folder:
            path = Path(folder) / "segment"
            path.write_bytes(data)
            base = self._opened()
            try:
                found = base.execute(f"DESCRIBE FROM {_FILE}", [pattern_of(path)]).fetchall()
            except duckdb.Error as error:
                raise ValueError(f"not a segment: {error}") from error
            expected = base.execute(f"DESCRIBE SELECT {known}").fetchall()
        here, known_columns = {row[:2] for row in found}, {row[:2] for row in expected}
        later = {each for each in known_columns if each[0] in ADDED and each[0] not in {name for name, _ in here}}
        if wrong := sorted(here ^ (known_columns - later)):
            raise ValueError(f"its columns differ from those of the record: {', '.join(map(' '.join, wrong))}")

    def _opened(self) -> duckdb.DuckDBPyConnection:
        if self._base is None:
            # One thread, so that rows keep their order and files their bytes.
            self._base = duckdb.connect(
                ":memory:",
                config={"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False},
            )
        return self._base


class _Numbers:
    """A batch's features and encoded customers for a query: `columns` of NumPy, and the `expressions` that use them.

    Each block of features has its own columns. The column `_block` has the number of each row's block, or -1.
    """

    def __init__(self, batch: RecordBatch) -> None:
        block = np.full(len(batch), -1, np.int32)
        encoded = np.fromiter((each.encoded for each in batch.records), object)
        self.columns: dict[str, NDArray[Any]] = {"_block": block, "_encoded": encoded}
        cases = []
        for number, each in enumerate(batch.blocks):
            block[each.rows] = number
            values = np.full((len(each.names), len(batch)), np.nan)
            values[:, each.rows] = each.values.T
            columns = {f"_{number}_{place}": column for place, column in enumerate(values)}
            self.columns |= columns
            whole = np.isfinite(each.values).all(axis=0).tolist()
            names = ", ".join(map(literal, each.names))
            numbers = ", ".join(
                column if known else f"CASE WHEN isfinite({column}) THEN {column} END"
                for column, known in zip(columns, whole, strict=True)
            )
            cases.append(f"WHEN {number} THEN list_zip([{names}], [{numbers}])")
        made = f"CASE _block {' '.join(cases)} ELSE [] END" if cases else "[]"
        self.expressions = {_FEATURES: f"CAST({made} AS {_FEATURES_TYPE})", "encoded": "CAST(_encoded AS BLOB)"}


def _shape(columns: Iterable[Column]) -> str:
    return duckdb_columns(replace(each, duckdb="VARCHAR") if each.type in _WRITTEN else each for each in columns)


def _columns(made: Mapping[str, str], columns: Iterable[Column] = COLUMNS) -> str:
    """Return the query's columns; `made` has SQL expressions for them, by name or by type."""
    return ", ".join(
        f"{(made.get(each.name) or made.get(each.type, '{0}')).replace('{0}', each.name)} AS {each.name}"
        for each in columns
    )
