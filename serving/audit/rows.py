"""Erases a person's data from the record in BigQuery."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from google.api_core.exceptions import BadRequest
from google.cloud.bigquery import ScalarQueryParameter

from customer_risk.serving.contract.columns import columns_of, erased_values
from customer_risk.serving.contract.identifiers import uuid7
from customer_risk.serving.record.outbox.record import ADDED, ERASED, Document
from customer_risk.serving.record.sinks.bigquery.connections import Connections
from customer_risk.serving.record.sinks.erasure import LEGAL_BASIS
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.manifest import digest
from customer_risk.serving.record.sinks.settings import BigQuerySettings

_COUNT: Final = "SELECT COUNT(*) AS found FROM `{table}` WHERE customer_id = @customer"
_BLANK_THEM: Final = "UPDATE `{table}` SET {blank} WHERE customer_id = @customer"
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS `{table}_erasures` (id STRING NOT NULL, erased_at TIMESTAMP NOT NULL, "
    "erased_by STRING NOT NULL, why STRING NOT NULL, legal_basis STRING NOT NULL, customer STRING NOT NULL, "
    "row_count INT64 NOT NULL)"
)
_WRITE_DOWN: Final = (
    "INSERT INTO `{table}_erasures` (id, erased_at, erased_by, why, legal_basis, customer, row_count) "
    "VALUES (@id, @at, @by, @why, @legal_basis, @customer, @found)"
)
_SECONDS: Final = 30.0  # for one response
_WAIT_SECONDS: Final = 600.0  # a table of years is updated in minutes
_REMEDY: Final = "Grant this identity roles/bigquery.dataEditor on the dataset and roles/bigquery.jobUser."
_TOO_FRESH: Final = "streaming buffer"  # rows that were written within about half an hour can't be changed


def erase_rows(
    settings: BigQuerySettings, customer_id: str, *, by: str, why: str, now: dt.datetime, legal_basis: str = LEGAL_BASIS
) -> int:
    """Blank a customer's rows, and write that down in the table's `_erasures`; return how many there were.

    `customer_id` as recorded. May be repeated. Raises SinkUnavailable where BigQuery can't be reached or the rows are
    too fresh, ConfigError where it refuses, ValueError for an id that is nobody's.
    """
    if customer_id in {"", ERASED}:
        raise ValueError(f"{customer_id!r} is no customer's id")
    settings.validate()
    ask = _Asking(settings)
    try:
        found = sum(int(row["found"]) for row in ask(_COUNT, customer=customer_id))
        if found:
            ask(_TABLE)
            # Before the rows go: a crash between leaves rows to be erased by the next try, never an unwritten erasure.
            ask(
                _WRITE_DOWN,
                id=uuid7(int(now.timestamp() * 1000)),
                at=now.astimezone(dt.UTC),
                by=by,
                why=why,
                legal_basis=legal_basis,
                customer=digest(customer_id.encode()),
                found=found,
            )
            ask(_BLANK_THEM, customer=customer_id)
        return found
    finally:
        ask.close()


def _literal(value: Any, kind: str) -> str:
    """Return a value that erased fields get as GoogleSQL."""
    if value is None:
        return "NULL"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return f"b{text}" if kind == "BYTES" else text


# The same fields as in segments, in a column of the same name each.
_KINDS: Final = {each.name: each.type for each in columns_of(Document)}
_BLANK: Final = {name: f"{name} = {_literal(value, _KINDS[name])}" for name, value in erased_values(Document).items()}


class _Asking:
    """Runs one query after another."""

    def __init__(self, settings: BigQuerySettings) -> None:
        self._table = settings.path
        self._connections = Connections(settings)

    def __call__(self, query: str, **values: str | int | dt.datetime) -> Any:
        kinds = {int: "INT64", str: "STRING", dt.datetime: "TIMESTAMP"}
        parameters = [ScalarQueryParameter(name, kinds[type(each)], each) for name, each in values.items()]
        with self._connections.asking("changed", _REMEDY):
            # A query of an absent table may give no rows instead of an error.
            table = self._connections.rest.get_table(self._table, timeout=_SECONDS, retry=None)
            lacking = ADDED.keys() - {
                each.name for each in table.schema
            }  # columns that a table of an earlier release lacks
            blank = ", ".join(each for name, each in _BLANK.items() if name not in lacking)
            text = query.format(table=self._table, blank=blank)
            try:
                return self._connections.query(text, parameters, seconds=_SECONDS, wait=_WAIT_SECONDS)
            except BadRequest as error:
                if _TOO_FRESH not in str(error):
                    raise
                raise SinkUnavailable(
                    f"Some rows of theirs in {self._table} are too fresh to be changed.",
                    remedy="Erase again in an hour.",
                ) from error

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()
