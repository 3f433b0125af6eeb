"""Reads and checks the decision record's table in BigQuery."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

from customer_risk.serving.record.outbox.record import ADDED, ERASED, written
from customer_risk.serving.record.sinks.bigquery.connections import Connections
from customer_risk.serving.record.sinks.search import Skipped
from customer_risk.serving.record.sinks.settings import BigQuerySettings

_REMEDY: Final = "Grant this identity roles/bigquery.dataViewer on the dataset and roles/bigquery.jobUser."
_SECONDS: Final = 30.0  # for one response
_WAIT_SECONDS: Final = 600.0  # for a query of years
_DAY: Final = dt.timedelta(days=1)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIND: Final = "SELECT * FROM `{table}` WHERE {conditions} ORDER BY recorded_at, decision_id"
_COUNT: Final = "SELECT COUNT(*) AS records, COUNTIF(customer_id = @erased) AS erased FROM `{table}`"
_TWICE: Final = (
    "SELECT decision_id, COUNT(*) AS times FROM `{table}` GROUP BY decision_id HAVING COUNT(*) > 1 "
    "ORDER BY decision_id LIMIT 100"
)
_NOT_BLANK: Final = (
    "SELECT decision_id FROM `{table}` WHERE customer_id = @erased AND (caller != '' OR trace != '' "
    "OR probability IS NOT NULL OR ARRAY_LENGTH(features) > 0 OR ARRAY_LENGTH(reasons) > 0 OR transactions != 0 "
    "OR LENGTH(encoded) > 0{more}) ORDER BY decision_id LIMIT 100"
)
_PATTERNS: Final = "patterns"
_HAS_PATTERNS: Final = f" OR ARRAY_LENGTH({_PATTERNS}) > 0"  # only in tables that have the column
_Parameter = ScalarQueryParameter | ArrayQueryParameter


class Checked(NamedTuple):
    """The result of checking a table: a sentence for each problem, and the number of records and of erased ones."""

    problems: tuple[str, ...]
    records: int
    erased: int


class Table:
    """The record's table, read by queries; raises ConfigError for names that BigQuery doesn't allow."""

    def __init__(self, settings: BigQuerySettings) -> None:
        settings.validate("--from")
        self.where = f"bigquery://{settings.path}"
        self._settings = settings

    def find(
        self,
        *,
        decision_id: str | None = None,
        since: dt.datetime | None = None,
        customer_ids: Collection[str] | None = None,
        skipped: Skipped | None = None,  # noqa: ARG002  a table has no segments that can't be read
    ) -> Iterator[dict[str, Any]]:
        """Yield the documents that meet every given condition, in order of time; never calls `skipped`.

        Raises SinkUnavailable if BigQuery can't be reached, ConfigError if it refuses.
        """
        conditions, parameters = ["TRUE"], list[_Parameter]()
        if decision_id is not None:
            conditions.append("decision_id = @decision")
            parameters.append(ScalarQueryParameter("decision", "STRING", decision_id))
            if (at := _time_of(decision_id)) is not None:  # read only the partitions around that day
                conditions.append("recorded_at BETWEEN @first AND @last")
                parameters.append(ScalarQueryParameter("first", "TIMESTAMP", at - _DAY))
                parameters.append(ScalarQueryParameter("last", "TIMESTAMP", at + _DAY))
        if since is not None:
            conditions.append("recorded_at >= @since")
            parameters.append(ScalarQueryParameter("since", "TIMESTAMP", since))
        if customer_ids is not None:
            conditions.append("customer_id IN UNNEST(@customers)")
            parameters.append(ArrayQueryParameter("customers", "STRING", list(customer_ids)))
        query = _FIND.format(table=self._settings.path, conditions=" AND ".join(conditions))
        return map(_document, _ask(self._settings, query, parameters))


def check(settings: BigQuerySettings) -> Checked:
    """Return the records that are stored twice, and the rows that are marked as erased and still have data.

    Raises as `Table.find` does.
    """
    settings.validate("--from")

    more = _HAS_PATTERNS if _PATTERNS in _columns(settings) else ""

    def ask(query: str) -> list[Any]:
        text = query.format(table=settings.path, more=more)
        return list(_ask(settings, text, [ScalarQueryParameter("erased", "STRING", ERASED)]))

    (counts,) = ask(_COUNT)
    problems = [
        f"{settings.path}: the record {row['decision_id']} is stored {row['times']} times." for row in ask(_TWICE)
    ]
    problems += [
        f"{settings.path}: the record {row['decision_id']} is marked as erased, but has data."
        for row in ask(_NOT_BLANK)
    ]
    return Checked(tuple(problems), counts["records"], counts["erased"])


def _ask(settings: BigQuerySettings, query: str, parameters: list[_Parameter]) -> Iterator[Any]:
    connections = Connections(settings, "--from")
    try:
        with connections.translating("read", _REMEDY):
            # A query of a missing table may return no rows instead of an error.
            connections.rest.get_table(settings.path, timeout=_SECONDS, retry=None)
            yield from connections.query(query, parameters, seconds=_SECONDS, wait=_WAIT_SECONDS)
    finally:
        connections.close()


def _columns(settings: BigQuerySettings) -> set[str]:
    """Return the names of the table's columns; raises as `Table.find` does."""
    connections = Connections(settings, "--from")
    try:
        with connections.translating("read", _REMEDY):
            table = connections.rest.get_table(settings.path, timeout=_SECONDS, retry=None)
            return {each.name for each in table.schema}
    finally:
        connections.close()


def _document(row: Any) -> dict[str, Any]:
    """Return a row as a document like those of other sinks, with the fields that earlier releases didn't store."""
    made: dict[str, Any] = ADDED | {
        name: value for name, value in row.items() if value is not None or name not in ADDED
    }
    made["model"] = {"name": made.pop("model_name"), "version": made.pop("model_version")}
    made["recorded_at"] = written((made["recorded_at"] - _EPOCH) // dt.timedelta(microseconds=1))
    made["encoded"] = base64.b64encode(made["encoded"] or b"").decode()
    return made


def _time_of(decision_id: str) -> dt.datetime | None:
    """Return the time in a UUID of version 7, or None if the text is not such a UUID."""
    try:
        return dt.datetime.fromtimestamp(int(decision_id.replace("-", "")[:12], 16) / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None
