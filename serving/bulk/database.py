"""DuckDB databases in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from customer_risk.serving.contract.sql import literal, pattern_of


def database(*, memory: str = "1GB", only: Path | None = None) -> DuckDBPyConnection:
    """Return a database in memory that downloads nothing and keeps the order of rows; times are in UTC.

    `memory` is the limit of its memory. With `only`, it reads and writes files only in that folder, spills nothing to
    the disk, and no statement can change these settings: use it for files from callers.
    """
    config: dict[str, Any] = {
        "threads": 1,
        "memory_limit": memory,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    base = duckdb.connect(config=config | ({} if only is None else {"max_temp_directory_size": "0B"}))
    if only is not None:
        folders = ", ".join(map(literal, {str(only), pattern_of(only)}))
        for setting in (
            "TimeZone = 'UTC'",
            "temp_directory = ''",
            f"allowed_directories = [{folders}]",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            base.execute(f"SET {setting}")
    return base
