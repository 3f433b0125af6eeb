"""Erasing from BigQuery, as far as no server is needed; tests/system/test_record_audit.py has the rest."""

from __future__ import annotations

import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.audit.rows import erase_rows
from customer_risk.serving.record.outbox.record import ADDED, ERASED
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.settings import BigQuerySettings

NOT_YET = "UPDATE or DELETE statement over table p.d.decisions would affect rows in the streaming buffer"
NOW = dt.datetime(2027, 1, 15, tzinfo=dt.UTC)


@pytest.mark.parametrize("customer", ["", ERASED])
def test_nobody_cant_be_erased(customer) -> None:
    """What refusals and erased records have for an id is no customer's."""
    with pytest.raises(ValueError, match="no customer"):
        erase_rows(BigQuerySettings(project="p", dataset="d"), customer, by="dpo", why="asked", now=NOW)


@pytest.fixture
def refusing():
    """A server that finds one row, and refuses to change it for a reason that a test gives; and its address."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

        def do_GET(self) -> None:
            name = {"projectId": "p", "datasetId": "d", "tableId": "decisions"}
            columns = [{"name": each, "type": "STRING"} for each in self.server.columns]
            self._answer(200, {"tableReference": name, "schema": {"fields": columns}})

        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["content-length"])))["query"]
            if query.startswith("UPDATE"):
                error = {"message": self.server.why, "reason": "invalidQuery"}
                self.server.asked = query
                self._answer(400, {"error": {"code": 400, "message": self.server.why, "errors": [error]}})
                return
            found = {"name": "found", "type": "INTEGER", "mode": "NULLABLE"}
            self._answer(
                200,
                {
                    "jobComplete": True,
                    "jobReference": {"projectId": "p", "jobId": "j", "location": "EU"},
                    "schema": {"fields": [found]},
                    "totalRows": "1",
                    "rows": [{"f": [{"v": "1"}]}],
                },
            )

        def _answer(self, status: int, document: dict) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.columns = ["customer_id", *ADDED]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def erase(endpoint: str) -> int:
    """Erase."""
    settings = BigQuerySettings(project="p", dataset="d", endpoint=endpoint)
    return erase_rows(settings, "c-7", by="dpo", why="asked", now=NOW)


def test_rows_that_are_too_fresh_must_wait(refusing) -> None:
    """BigQuery doesn't change what was written within about half an hour: that is said, and to try again."""
    server, endpoint = refusing
    server.why = NOT_YET
    with pytest.raises(SinkUnavailable, match="too fresh"):
        erase(endpoint)


def test_another_refusal_is_no_reason_to_wait(refusing) -> None:
    """A refusal for another reason, for example a missing right, raises ConfigError."""
    server, endpoint = refusing
    server.why = "Access Denied"
    with pytest.raises(ConfigError, match="Access Denied"):
        erase(endpoint)


def test_what_must_wait_ends_with_one(refusing, run, tmp_path) -> None:
    """The command line says that it must be done again."""
    server, endpoint = refusing
    server.why = NOT_YET
    (tmp_path / "serving.yaml").write_text(
        f"record: {{enabled: true, folder: {tmp_path}/none, "
        f"ship: {{sinks: [{{type: bigquery, project: p, dataset: d, endpoint: '{endpoint}'}}]}}}}\n"
    )
    asked = ("erase", "c-7", "--config", tmp_path / "serving.yaml", "--by", "dpo", "--why", "asked", "--yes")
    result = run(*asked)
    assert result.exit_code == 1
    assert "too fresh" in result.output


@pytest.mark.parametrize("migrated", [True, False], ids=["migrated", "of an earlier release"])
def test_rows_lose_what_segments_do(refusing, migrated) -> None:
    """The statement blanks what is of the person, to what a segment has in its place, and nothing else.

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
    assert server.asked == f"UPDATE `p.d.decisions` SET {blanked}{patterns} WHERE customer_id = @customer"  # noqa: S608  all of it ours
