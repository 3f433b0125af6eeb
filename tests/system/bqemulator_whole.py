"""Starts bqemulator in its own environment with added features: nested and added columns, a lock, crash recovery.

A caller who is killed in the middle of an append leaves a thread of the emulator's waiting for ever; it has six. And
two threads at its one DuckDB connection can wait for each other for ever: for the connection, and for the interpreter.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import Any

import duckdb_extensions
import grpc
from bqemulator import cli
from bqemulator.api.routes.tabledata import _build_arrow_schema
from bqemulator.grpc_api import write_servicer
from bqemulator.jobs import executor
from bqemulator.storage.engine import DuckDBEngine
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns

_insert = write_servicer.BigQueryWriteHandler._flush_to_target
_load = executor._load_path_into_target
_connection = threading.RLock()


def _alone(call: Callable[..., Any]) -> Callable[..., Any]:
    """Let one thread at a time make any of these calls."""

    @wraps(call)
    def calling(*arguments: Any, **options: Any) -> Any:
        with _connection:
            return call(*arguments, **options)

    return calling


def _raw(field: Any) -> dict[str, Any]:
    return {"name": field.name, "type": field.type, "mode": field.mode, "fields": [_raw(each) for each in field.fields]}


def _table_arrow_schema(table: Any) -> Any:
    return _build_arrow_schema([_raw(field) for field in table.schema_.fields])


def _add_columns(context: Any, *at: str) -> None:
    """Return the stored table the columns that a changed schema added."""
    fields = context.catalog.get_table(*at).schema_.fields
    for name, kind in bq_schema_to_duckdb_columns([_raw(field) for field in fields]):
        context.engine.execute(f'ALTER TABLE {quoted_table_ref(*at)} ADD COLUMN IF NOT EXISTS "{name}" {kind}')


def _flush_to_target(self: Any, stream: Any, rows: Any) -> None:
    """Add the table's new columns, then insert."""
    _add_columns(self._ctx, stream.project_id, stream.dataset_id, stream.table_id)
    _insert(self, stream, rows)


def _load_path_into_target(path: str, job: Any, context: Any) -> None:
    """Add the table's new columns, then load."""
    _add_columns(context, job.project_id, job.dataset_id, job.table_id)
    _load(path, job, context)


if __name__ == "__main__":
    duckdb_extensions.import_extension("spatial")  # otherwise it is downloaded, which not every machine may do
    write_servicer._table_arrow_schema = _table_arrow_schema
    write_servicer.BigQueryWriteHandler._flush_to_target = _alone(_flush_to_target)
    executor._load_path_into_target = _load_path_into_target
    DuckDBEngine.execute = _alone(DuckDBEngine.execute)
    DuckDBEngine.fetch_arrow = _alone(DuckDBEngine.fetch_arrow)
    grpc.aio.server = partial(grpc.aio.server, ThreadPoolExecutor(1000))
    cli.main()
