"""Starts bqemulator in its own environment, with what it lacks: the Storage Write API's view of nested columns."""

from __future__ import annotations

from typing import Any

import duckdb_extensions
from bqemulator import cli
from bqemulator.api.routes.tabledata import _build_arrow_schema
from bqemulator.grpc_api import write_servicer


def _raw(field: Any) -> dict[str, Any]:
    return {"name": field.name, "type": field.type, "mode": field.mode, "fields": [_raw(each) for each in field.fields]}


def _table_arrow_schema(table: Any) -> Any:
    return _build_arrow_schema([_raw(field) for field in table.schema_.fields])


if __name__ == "__main__":
    duckdb_extensions.import_extension("spatial")  # else it is downloaded, from where not every machine gets to
    write_servicer._table_arrow_schema = _table_arrow_schema
    cli.main()
