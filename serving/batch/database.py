"""DuckDB, as a run wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def database() -> DuckDBPyConnection:
    """Open a database in memory that downloads nothing and keeps rows in their order."""
    import duckdb  # noqa: PLC0415  a tenth of a second that only Parquet needs

    return duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": "1GB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
