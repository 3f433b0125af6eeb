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
_BLANK_ROWS: Final = "UPDATE `{table}` SET {blank} WHERE customer_id = @customer"
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS `{table}_erasures` (id STRING NOT NULL, erased_at TIMESTAMP NOT NULL, "
    "erased_by STRING NOT NULL, why STRING NOT NULL, legal_basis STRING NOT NULL, customer STRING NOT NULL, "
    "row_count INT64 NOT NULL)"
)
_STORE_ERASURE: Final = (
    "INSERT INTO `{table}_erasures` (id, erased_at, erased_by, why, legal_basis, customer, row_count) "
    "VALUES (@id, @at, @by, @why, @legal_basis, @customer, @found)"
)
_SECONDS: Final = 30.0  # for one response
_WAIT_SECONDS: Final = 600.0  # a table of years is updated in minutes
_REMEDY: Final = "Grant this identity roles/bigquery.dataEditor on the dataset and roles/bigquery.jobUser."
_TOO_FRESH: Final = "streaming buffer"  # BigQuery can't change rows that were written within about half an hour


def erase_rows(
    settings: BigQuerySettings, customer_id: str, *, by: str, why: str, now: dt.datetime, legal_basis: str = LEGAL_BASIS
) -> int:
    """Blank a customer's rows, and store the erasure in the table's `_erasures`; return the number of rows.

    `customer_id` is as recorded. The call may be repeated. Raises SinkUnavailable if BigQuery can't be reached or rows
    are too recent, ConfigError if it refuses, ValueError for an id that no customer can have.
    """
    if customer_id in {"", ERASED}:
        raise ValueError(f"{customer_id!r} is not a customer's id")
    settings.validate()
    ask = _Queries(settings)
    try:
        found = sum(int(row["found"]) for row in ask(_COUNT, customer=customer_id))
        if found:
            ask(_TABLE)
            # Store the erasure first: after a crash, the next attempt blanks the rows.
            ask(
                _STORE_ERASURE,
                id=uuid7(int(now.timestamp() * 1000)),
                at=now.astimezone(dt.UTC),
                by=by,
                why=why,
                legal_basis=legal_basis,
                customer=digest(customer_id.encode()),
                found=found,
            )
            ask(_BLANK_ROWS, customer=customer_id)
        return found
    finally:
        ask.close()


def _literal(value: Any, kind: str) -> str:
    """Return the value of an erased field in GoogleSQL."""
    if value is None:
        return "NULL"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return f"b{text}" if kind == "BYTES" else text


# The same fields as in segments; each has a column of the same name.
_KINDS: Final = {each.name: each.type for each in columns_of(Document)}
_BLANK: Final = {name: f"{name} = {_literal(value, _KINDS[name])}" for name, value in erased_values(Document).items()}


class _Queries:
    """Runs queries on the table."""

    def __init__(self, settings: BigQuerySettings) -> None:
        self._table = settings.path
        self._connections = Connections(settings)

    def __call__(self, query: str, **values: str | int | dt.datetime) -> Any:
        kinds = {int: "INT64", str: "STRING", dt.datetime: "TIMESTAMP"}
        parameters = [ScalarQueryParameter(name, kinds[type(each)], each) for name, each in values.items()]
        with self._connections.translating("changed", _REMEDY):
            # A query of a missing table may return no rows instead of an error.
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
                    f"Some rows of the customer in {self._table} are too recent to be changed.",
                    remedy="Erase again in an hour.",
                ) from error

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()
