"""The record in BigQuery, exactly once: rows at given offsets of a write stream, which accepts each offset once.

The place is the stream's name and the next offset. Repeating rows at the same place changes nothing, whether or not the
first attempt succeeded. A stream may have ended (BigQuery drops unused streams after days, and the table may have been
created again), or may have other rows (a segment without records that were refused later). Then the sink finalizes the
old stream, so that no more rows arrive through it, and waits until pending appends have ended. It queries which of the
segment's decisions the table has, and writes the others to a new stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
from google.api_core.exceptions import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unauthenticated
from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter
from google.cloud.bigquery_storage_v1 import types

from customer_risk.model.errors import ConfigError
from customer_risk.model.google_cloud.credentials import ONCE, SECONDS
from customer_risk.serving.record.sinks.bigquery.append import Fate, RowsRefused, append
from customer_risk.serving.record.sinks.bigquery.connections import Connections, unavailable
from customer_risk.serving.record.sinks.bigquery.rows import REQUEST_BYTES, Rows, parts
from customer_risk.serving.record.sinks.bigquery.schema import VERSION
from customer_risk.serving.record.sinks.bigquery.setup import check_table
from customer_risk.serving.record.sinks.interface import RecordRefused, Segment, SinkUnavailable
from customer_risk.serving.record.sinks.recovery import KeptFile, Recovered
from customer_risk.serving.record.sinks.settings import BigQuerySettings

_PRESENT: Final = """\
SELECT DISTINCT decision_id FROM `{table}`
WHERE recorded_at BETWEEN @first AND @last AND decision_id IN UNNEST(@ids)"""


class Place(msgspec.Struct, frozen=True):
    """The place of the next rows, and the form of rows and requests of the release that made the place."""

    stream: str
    offset: int
    form: str = ""


class BigQuerySink:
    """Writes segments to a table; waits for a response for at most five seconds.

    A request has at most `most_bytes` of rows; `sleep` waits until pending appends have ended.
    """

    name = "bigquery"

    def __init__(
        self,
        settings: BigQuerySettings,
        *,
        most_bytes: int = REQUEST_BYTES,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._settings = settings
        self._most_bytes = most_bytes
        self._form = f"{VERSION}-{most_bytes}"
        self._sleep = sleep
        self._connections = Connections(settings)
        self._shape = Rows()
        self._begun = ""  # the last new stream, until the write to it has succeeded

    def check(self) -> None:
        """Raise ConfigError if the credentials, the table, a column or the right to write are missing."""
        check_table(self._settings, self._connections)
        wrong = (InvalidArgument, PermissionDenied, Unauthenticated)
        try:
            with self._connections.reaching(*wrong):
                self._connections.write.get_write_stream(name=f"{self._parent}/streams/_default", **ONCE)
        except wrong as error:
            raise ConfigError(
                f"record.ship.sinks: bigquery: {self._settings.path} can't be written to: {error}.",
                remedy="Grant this identity bigquery.tables.get, getData and updateData on the dataset.",
            ) from error

    def place(self) -> bytes:
        """Create a stream and return its start."""
        with self._fresh_connection():
            return msgspec.json.encode(Place(self._new_stream(), 0, self._form))

    def write(self, segment: Segment, place: bytes) -> bytes:
        """Write a segment and return the place after it; raises SinkUnavailable and RecordRefused.

        If BigQuery refuses records after a segment's first request, earlier records are in the table already. The next
        attempt finds them by a query.
        """
        at = msgspec.json.decode(place, type=Place)
        made, wrong = self._shape.rows(segment.documents)
        if wrong:
            raise RecordRefused({segment.numbers[index]: why for index, why in wrong.items()})
        # If records were left out since the first attempt, or another release divided the rows, requests begin at other
        # rows than before. Then a request whose first row is in the table may have rows that aren't.
        trusted = not segment.seqs and at.form == self._form
        with self._fresh_connection():
            written = self._append(at, made, segment.numbers, trusted=trusted)
            if written is None:
                written = self._write_missing(at, segment, made)
        return msgspec.json.encode(written)

    def recover(self, files: Iterable[KeptFile]) -> Recovered:
        """Return which of an outbox's records the table has; raises SinkUnavailable.

        Rows are written in order, so all of a file's records up to the last one in the table are settled. The stream
        is unknown: the next write makes another.
        """
        self._sleep(SECONDS)  # until then, an append of a process that was killed has ended
        cursors = {}
        for file in files:
            for numbers, records in file.read():
                segment = Segment(file.source, numbers[0], numbers[-1], records, numbers)
                present = self._present(segment)
                there = [
                    number for number, each in zip(numbers, records.records, strict=True) if each.record_id in present
                ]
                if there:
                    cursors[file.source] = there[-1]
        return Recovered(cursors)

    def close(self) -> None:
        """Close the connections; the stream stays open for the next process."""
        self._connections.close()

    def _append(self, at: Place, rows: Sequence[bytes], numbers: Sequence[int], *, trusted: bool) -> Place | None:
        """Append rows at a place; return the place after them, or None if it is unknown which rows are there."""
        done = 0
        for part in parts(rows, self._most_bytes):
            try:
                fate = append(self._connections, at.stream, at.offset + done, part, self._shape, self._settings.path)
            except RowsRefused as error:
                raise RecordRefused({numbers[done + index]: why for index, why in error.refused.items()}) from error
            if fate is Fate.LOST or (fate is Fate.EXISTS and not trusted):
                return None
            done += len(part)
        return Place(at.stream, at.offset + done, self._form)

    def _write_missing(self, at: Place, segment: Segment, rows: Sequence[bytes]) -> Place:
        """Write the records of a segment that the table lacks to a new stream."""
        for stream in {at.stream, self._begun} - {""}:
            self._finalize(stream)
        self._sleep(SECONDS)  # until then, an append of a dead process to an unknown stream has ended
        present = self._present(segment)
        absent = [index for index, each in enumerate(segment.documents) if each["decision_id"] not in present]
        self._begun = self._new_stream()
        numbers = [segment.numbers[index] for index in absent]
        written = self._append(Place(self._begun, 0), [rows[index] for index in absent], numbers, trusted=False)
        if written is None:
            raise unavailable(self._settings.path, "a new write stream doesn't accept rows")
        self._begun = ""
        return written

    def _present(self, segment: Segment) -> set[str]:
        """Return the ids of a segment's decisions that the table has."""
        ids = [each["decision_id"] for each in segment.documents]
        times = [each["recorded_at"] for each in segment.documents]
        asked = (
            ArrayQueryParameter("ids", "STRING", ids),
            ScalarQueryParameter("first", "TIMESTAMP", min(times)),
            ScalarQueryParameter("last", "TIMESTAMP", max(times)),
        )
        with self._connections.reaching():
            rows = self._connections.query(_PRESENT.format(table=self._settings.path), asked)
            return {row["decision_id"] for row in rows}

    def _finalize(self, stream: str) -> None:
        """Finalize a stream, so that it accepts no more rows; do nothing if it is unknown or finalized."""
        try:
            with self._connections.reaching(FailedPrecondition, NotFound):
                self._connections.write.finalize_write_stream(name=stream, **ONCE)
        except (FailedPrecondition, NotFound):
            return

    def _new_stream(self) -> str:
        stream = types.WriteStream(type_=types.WriteStream.Type.COMMITTED)
        with self._connections.reaching():
            made = self._connections.write.create_write_stream(parent=self._parent, write_stream=stream, **ONCE)
        return str(made.name)

    @contextmanager
    def _fresh_connection(self) -> Iterator[None]:
        """Close the connection if the attempt fails, so that the next attempt makes a new one."""
        try:
            yield
        except SinkUnavailable:
            self._connections.hang_up()
            raise

    @property
    def _parent(self) -> str:
        settings = self._settings
        return f"projects/{settings.project}/datasets/{settings.dataset}/tables/{settings.table}"
