"""The query of a run over a BigQuery table."""

from __future__ import annotations

import pytest
from google.cloud.bigquery import SchemaField

from customer_risk.serving.bulk.tables.inputs.bigquery import BigQuerySource
from customer_risk.serving.bulk.tables.inputs.settings import BigQueryInput


@pytest.mark.parametrize(
    ("kind", "mode", "replaced"),
    [
        ("DATETIME", "NULLABLE", True),
        ("TIMESTAMP", "NULLABLE", True),
        ("DATETIME", "REPEATED", True),
        ("STRING", "NULLABLE", False),
    ],
)
def test_only_timestamps_get_a_zone(kind, mode, replaced) -> None:
    """Timestamps get a zone within the transactions' JSON; texts don't, so that those without a zone are refused."""
    time = SchemaField("created_at", kind, mode)
    fields = [
        SchemaField("customer_id", "STRING"),
        SchemaField("since", "DATETIME"),
        SchemaField("transactions", "RECORD", "REPEATED", fields=[SchemaField("id", "STRING"), time]),
    ]
    source = BigQuerySource(BigQueryInput(project="p", dataset="d", table="t"), "run", ())
    query = source._query(fields)
    assert ("REGEXP_REPLACE(TO_JSON_STRING(`transactions`)" in query) is replaced
    assert query.count("REGEXP_REPLACE") == replaced
