"""Erasing from BigQuery, as far as no server is needed; tests/system/test_record_audit.py has the rest."""

from __future__ import annotations

import datetime as dt

import pytest

from serving.record.audit.rows import BLANK, erase_rows
from serving.record.sinks import erasure
from serving.record.sinks.bigquery.settings import BigQuerySettings

NOW = dt.datetime(2027, 1, 15, tzinfo=dt.UTC)


def test_rows_lose_what_segments_do() -> None:
    """The two ways of erasing leave the same."""
    assert BLANK.keys() == erasure._BLANK.keys()


@pytest.mark.parametrize("customer", ["", erasure.ERASED])
def test_nobody_cant_be_erased(customer) -> None:
    """What refusals and erased records have for an id is no customer's."""
    with pytest.raises(ValueError, match="no customer"):
        erase_rows(BigQuerySettings(project="p", dataset="d"), customer, by="dpo", why="asked", now=NOW)
