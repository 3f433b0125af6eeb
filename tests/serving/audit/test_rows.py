"""Erasures from BigQuery with a server that refuses changes; tests/system/test_record_audit.py has a working one."""

from __future__ import annotations

import datetime as dt
import json
from types import SimpleNamespace

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.audit.rows import erase_rows
from customer_risk.serving.record.outbox.record import ADDED, ERASED
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.settings import BigQuerySettings
from tests.http_server import serving

NOT_YET = "UPDATE or DELETE statement over table p.d.decisions would affect rows in the streaming buffer"
NOW = dt.datetime(2027, 1, 15, tzinfo=dt.UTC)


@pytest.mark.parametrize("customer", ["", ERASED])
def test_ids_that_are_not_a_customers_are_refused(customer) -> None:
    """The ids of refusals and of erased records are refused."""
    with pytest.raises(ValueError, match="not a customer"):
        erase_rows(BigQuerySettings(project="p", dataset="d"), customer, by="dpo", why="asked", now=NOW)


@pytest.fixture
def refusing():
    """Return a function that starts a server which finds one row and refuses to change it, and its address."""
    server = SimpleNamespace(columns=["customer_id", *ADDED])

    def answer(request, sent: bytes) -> tuple[int, dict]:
        if request.command == "GET":
            name = {"projectId": "p", "datasetId": "d", "tableId": "decisions"}
            columns = [{"name": each, "type": "STRING"} for each in server.columns]
            return 200, {"tableReference": name, "schema": {"fields": columns}}
        query = json.loads(sent)["query"]
        if query.startswith("UPDATE"):
            server.asked = query
            error = {"message": server.why, "reason": "invalidQuery"}
            return 400, {"error": {"code": 400, "message": server.why, "errors": [error]}}
        return 200, {
            "jobComplete": True,
            "jobReference": {"projectId": "p", "jobId": "j", "location": "EU"},
            "schema": {"fields": [{"name": "found", "type": "INTEGER", "mode": "NULLABLE"}]},
            "totalRows": "1",
            "rows": [{"f": [{"v": "1"}]}],
        }

    with serving(answer) as url:
        yield server, url


def erase(endpoint: str) -> int:
    """Erase a customer."""
    settings = BigQuerySettings(project="p", dataset="d", endpoint=endpoint)
    return erase_rows(settings, "c-7", by="dpo", why="asked", now=NOW)


@pytest.mark.parametrize(
    ("why", "error", "said"),
    [(NOT_YET, SinkUnavailable, "too recent"), ("Access Denied", ConfigError, "Access Denied")],
)
def test_only_rows_that_are_too_recent_must_wait(refusing, why, error, said) -> None:
    """Rows of the last half hour raise SinkUnavailable that says to erase later, other refusals ConfigError."""
    server, endpoint = refusing
    server.why = why
    with pytest.raises(error, match=said):
        erase(endpoint)


def test_rows_that_cant_be_changed_yet_end_with_1(refusing, run, tmp_path) -> None:
    """Rows that can't be changed yet end the command with exit code 1."""
    server, endpoint = refusing
    server.why = NOT_YET
    (tmp_path / "serving.yaml").write_text(
        f"record: {{enabled: true, folder: {tmp_path}/none, "
        f"ship: {{sinks: [{{type: bigquery, project: p, dataset: d, endpoint: '{endpoint}'}}]}}}}\n"
    )
    asked = ("erase", "c-7", "--config", tmp_path / "serving.yaml", "--by", "dpo", "--why", "asked", "--yes")
    result = run(*asked)
    assert result.exit_code == 1
    assert "too recent" in result.output


@pytest.mark.parametrize("migrated", [True, False], ids=["migrated", "of an earlier release"])
def test_rows_lose_the_same_fields_as_segments(refusing, migrated) -> None:
    """The statement blanks the same fields as in segments, with the same values.

    A table of an earlier release has no column of patterns, and needs no migration before an erasure.
    """
    server, endpoint = refusing
    server.why = NOT_YET
    if not migrated:
        server.columns = ["customer_id"]
    with pytest.raises(SinkUnavailable):
        erase(endpoint)
    blanked = (
        "caller = '', trace = '', customer_id = 'erased', pointers = [], probability = NULL, reasons = [], "
        "warnings = [], features = [], transactions = 0, encoded = b''"
    )
    patterns = ", patterns = []" if migrated else ""
    assert server.asked == f"UPDATE `p.d.decisions` SET {blanked}{patterns} WHERE customer_id = @customer"  # noqa: S608  the test's own text
