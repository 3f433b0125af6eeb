"""Auditing the decision record in BigQuery, on an emulator."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.audit.records import table_at
from customer_risk.serving.audit.rows import erase_rows
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.contract.identifiers import uuid7
from customer_risk.serving.record.outbox.record import ERASED, from_document
from customer_risk.serving.record.sinks.bigquery.connections import Connections
from customer_risk.serving.record.sinks.bigquery.setup import init
from customer_risk.serving.record.sinks.factory import open_sink
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.manifest import digest
from customer_risk.serving.record.sinks.settings import BigQuerySettings
from tests.serving.record import conformance as samples
from tests.system.asking import PATIENCE

pytestmark = pytest.mark.system

NOW = dt.datetime(2027, 1, 15, 8, tzinfo=dt.UTC)


@pytest.fixture
def table(bigquery, request):
    """A table with ten records, one of them of the customer kunde-é-3, and their documents."""
    settings = BigQuerySettings(
        project="risk",
        dataset=f"d{abs(hash(request.node.name))}",
        endpoint=bigquery.endpoint,
        grpc_endpoint=bigquery.grpc_endpoint,
    )
    init(settings)
    sink = open_sink(settings, "a" * 32)
    segment = samples.segment(1, 10)
    patience = Patience(PATIENCE)  # the emulator may take longer on a busy machine than the sink waits
    place = patience.have(sink.place)
    patience.have(lambda: sink.write(segment, place))
    sink.close()
    return settings, segment.documents


def ask(settings, query: str) -> list[dict]:
    """Return the rows of a query."""
    connections = Connections(settings)
    try:
        rows = connections.rest.query_and_wait(query.format(table=settings.path), retry=None, job_retry=None)
        return [dict(row) for row in rows]
    finally:
        connections.close()


def erase(settings, customer: str = "kunde-é-3") -> int:
    """Erase a customer."""
    return erase_rows(settings, customer, by="d.p.officer", why="request 2026-118", now=NOW)


def test_a_customers_rows_are_blanked(table) -> None:
    """A customer's rows keep the decision's id, time and model; no other row changes."""
    settings, documents = table
    assert erase(settings) == 1
    rows = ask(settings, "SELECT * FROM `{table}` ORDER BY recorded_at")
    (erased,) = [row for row in rows if row["customer_id"] == ERASED]
    was = documents[2]
    kept = ("decision_id", "segment", "action", "source", "cpu", "status", "route")
    assert {name: erased[name] for name in kept} == {name: was[name] for name in kept}
    assert erased["model_version"] == was["model"]["version"]
    assert was["patterns"]
    gone = ("caller", "trace", "probability", "reasons", "patterns", "warnings", "features", "transactions", "encoded")
    assert not any(erased[name] for name in gone)
    others = [row["customer_id"] for row in rows if row is not erased]
    assert others == [each["customer_id"] for each in documents if each is not was]
    assert all(row["reasons"] for row in rows if row["decision_id"] == documents[0]["decision_id"])


def test_an_erasure_is_stored(table) -> None:
    """An erasure is stored with its author, time, reason and the id's hash; a repeated one stores nothing."""
    settings, _ = table
    assert [erase(settings), erase(settings)] == [1, 0]
    (row,) = ask(settings, "SELECT * FROM `{table}_erasures`")
    assert (row["erased_by"], row["why"], row["row_count"]) == ("d.p.officer", "request 2026-118", 1)
    assert row["erased_at"] == NOW
    assert row["customer"] == digest("kunde-é-3".encode())
    assert "kunde" not in str(row)


def test_an_erasure_of_an_unknown_customer_is_not_stored(table) -> None:
    """An erasure of an unknown customer stores nothing."""
    settings, _ = table
    assert erase(settings, "nobody") == 0
    connections = Connections(settings)
    tables = {each.table_id for each in connections.rest.list_tables(settings.dataset)}
    connections.close()
    assert "decisions" in tables
    assert "decisions_erasures" not in tables


def test_a_row_that_was_erased_can_be_read(table) -> None:
    """An erased row can be read as a record."""
    settings, documents = table
    erase(settings)
    (row,) = ask(settings, "SELECT * FROM `{table}` WHERE customer_id = 'erased'")
    blank = documents[2] | {name: row[name] for name in ("customer_id", "caller", "trace", "probability")}
    blank |= {name: [] for name in ("pointers", "reasons", "patterns", "warnings", "features")}
    blank |= {"transactions": 0, "encoded": ""}
    assert from_document(blank)[0].features == b""


def test_a_missing_table_is_an_error(bigquery) -> None:
    """A missing table is an error."""
    settings = BigQuerySettings(project="risk", dataset="nowhere", endpoint=bigquery.endpoint)
    with pytest.raises(ConfigError):
        erase(settings)


def test_the_commands_reach_the_table(table, tmp_path) -> None:
    """`init` makes and checks the table, and `erase` blanks rows, both by the server's configuration."""
    from click.testing import CliRunner

    from customer_risk.serving.cli.audit import audit

    settings, _ = table
    sink = {"type": "bigquery"} | {
        name: getattr(settings, name) for name in ("project", "dataset", "endpoint", "grpc_endpoint")
    }
    config = tmp_path / "serving.yaml"
    config.write_text(json.dumps({"record": {"enabled": True, "folder": str(tmp_path), "ship": {"sinks": [sink]}}}))
    made = CliRunner().invoke(audit, ["init", "--config", str(config)])
    assert made.exit_code == 0, made.output
    assert f"view {settings.path}_latest made" in made.output
    assert "bigquery: ready" in made.output
    asked = ["erase", "kunde-é-3", "--config", str(config), "--by", "dpo", "--why", "asked", "--yes"]
    erased = CliRunner().invoke(audit, asked)
    assert erased.exit_code == 0, erased.output
    assert f"{settings.path}: 1 row blanked" in erased.output
    assert f"{settings.path}: no data of this customer" in CliRunner().invoke(audit, asked).output


def test_a_server_that_is_down_is_reported(bigquery, table) -> None:
    """If the server is down, the command says to erase again later."""
    settings, _ = table
    with bigquery.killed(), pytest.raises(SinkUnavailable):
        erase(settings)
    assert erase(settings) == 1


@pytest.fixture
def asked(table, tmp_path):
    """Return a function that runs a command on the table, which is the configuration's only sink."""
    from click.testing import CliRunner

    from customer_risk.serving.cli.audit import audit

    settings, _ = table
    sink = {"type": "bigquery"} | {
        name: getattr(settings, name) for name in ("project", "dataset", "endpoint", "grpc_endpoint")
    }
    config = tmp_path / "serving.yaml"
    folder = str(tmp_path / "outbox")
    config.write_text(json.dumps({"record": {"enabled": True, "folder": folder, "ship": {"sinks": [sink]}}}))

    def run(*words):
        return CliRunner().invoke(audit, [*map(str, words), "--config", str(config)])

    return run


def test_decisions_are_read_from_the_table(asked, table, tmp_path) -> None:
    """A table's decisions are shown, listed and exported as those of a bucket are."""
    settings, documents = table
    at = dt.datetime.fromisoformat(documents[2]["recorded_at"])
    decision = documents[2]["decision_id"] = uuid7(int(at.timestamp() * 1000))  # its time selects the partition
    ask(settings, f"UPDATE `{{table}}` SET decision_id = '{decision}' WHERE customer_id = 'kunde-é-3'")  # noqa: S608  the test's own id
    shown = asked("show", decision, "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout) == documents[2]
    listed = asked("list", "--customer", "kunde-é-3")
    assert [line.split()[1] for line in listed.stdout.splitlines()[1:]] == [decision]
    decisions = [each["decision_id"] for each in documents if each["kind"] == "decision"]
    since = asked("list", "--since", "2026-01-01").stdout.splitlines()[1:]
    assert [line.split()[1] for line in since] == decisions
    assert asked("list", "--since", "2027-01-01").stdout.splitlines()[1:] == []
    assert asked("replay", decision).exit_code == 3  # its bundle isn't here
    assert asked("export", "kunde-é-3", "--to", tmp_path / "export").exit_code == 0
    whole = json.loads((tmp_path / "export" / "decisions.json").read_text())
    assert [each["record"]["decision_id"] for each in whole["decisions"]] == [decision]
    assert whole["places"] == [f"bigquery://{settings.path}"]


def test_verification_of_a_table_states_its_limits(asked, table) -> None:
    """Verification names repeated records and erased rows with data, and says that changed rows aren't detected."""
    settings, documents = table
    erase(settings)
    sound = asked("verify")
    assert sound.exit_code == 0, sound.output
    assert f"{settings.path}: {len(documents)} records, 1 of them erased: no problems" in sound.output
    assert "changed rows aren't detected" in sound.output
    ask(settings, "INSERT INTO `{table}` SELECT * FROM `{table}` WHERE customer_id = 'kunde-é-1'")
    ask(settings, "UPDATE `{table}` SET trace = 'x' WHERE customer_id = 'erased'")
    found = asked("verify")
    assert found.exit_code == 1
    assert f"the record {documents[0]['decision_id']} is stored 2 times" in found.output
    assert f"the record {documents[2]['decision_id']} is marked as erased, but has data" in found.output


def test_a_table_may_be_named_without_a_configuration() -> None:
    """A table is named by its project and dataset, and by its name unless that is `decisions`."""
    assert table_at("bigquery://bank-1.decisions_eu").path == "bank-1.decisions_eu.decisions"
    assert table_at("bigquery://bank-1.decisions_eu.record").path == "bank-1.decisions_eu.record"
    for wrong in ("bigquery://bank", "bigquery://", "bigquery://a.b`; DROP"):
        with pytest.raises(ConfigError):
            table_at(wrong)
