"""Parquet to score, and a run over it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# As a table of the bank has it: a profile and its transactions, with real times.
_TRANSACTION = (
    "STRUCT(id VARCHAR, state VARCHAR, type VARCHAR, amount DOUBLE, currency VARCHAR, direction VARCHAR,"
    " created_at TIMESTAMPTZ, completed_at TIMESTAMPTZ)[]"
)
_PROFILE = (
    "STRUCT(reason_to_use_app VARCHAR, occupation VARCHAR, kyc_state VARCHAR, screening_state VARCHAR,"
    " has_biometrics BOOLEAN, is_pep BOOLEAN, is_adverse_media_minor BOOLEAN, country_of_residence VARCHAR,"
    " phone_number_country_code VARCHAR, document_issuing_country VARCHAR, locale VARCHAR, date_of_birth DATE,"
    " gender VARCHAR)"
)
_NESTED = {"customer_id": "VARCHAR", "profile": _PROFILE, "transactions": _TRANSACTION, "history_complete": "BOOLEAN"}


@pytest.fixture
def to_parquet(tmp_path: Path) -> Callable[..., Path]:
    """Write documents as Parquet, with columns of given types."""

    def write(path: Path, documents: list[dict[str, Any]], columns: dict[str, str] = _NESTED) -> Path:
        lines = tmp_path / "lines.ndjson"
        lines.write_text("\n".join(json.dumps(each) for each in documents))
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as base:
            base.execute("SET TimeZone = 'UTC'")
            read = f"read_json('{lines}', format = 'newline_delimited', columns = {columns})"
            base.execute(f"COPY (SELECT * FROM {read}) TO '{path}' (FORMAT parquet)")  # noqa: S608  the test's own
        return path

    return write


@pytest.fixture
def customers(request_: dict[str, Any]) -> Callable[[int], list[dict[str, Any]]]:
    """Return a number of valid requests with different ids."""
    return lambda count: [request_ | {"customer_id": f"c-{number}"} for number in range(count)]
