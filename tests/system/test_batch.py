"""Batches in real processes, from and to BigQuery and Cloud Storage, killed and disconnected during the run."""

from __future__ import annotations

import copy
import io
import json
import subprocess
import threading
import time
from collections import Counter

import duckdb
import msgspec
import pytest
from google.api_core.exceptions import GoogleAPIError
from google.cloud.bigquery import LoadJobConfig, SchemaField, Table

from customer_risk.model.errors import ConfigError
from customer_risk.serving.bulk.tables import main
from customer_risk.serving.bulk.tables.errors import ResultsAltered, UnusableInput
from customer_risk.serving.bulk.tables.outputs.factory import open_output
from customer_risk.serving.bulk.tables.outputs.rows import COLUMNS
from customer_risk.serving.bulk.tables.outputs.settings import BigQueryOutput
from customer_risk.serving.bulk.tables.settings import BatchSettings
from customer_risk.serving.record.sinks.bigquery.connections import Connections
from customer_risk.serving.record.sinks.bigquery.setup import fields
from customer_risk.serving.record.sinks.factory import open_objects
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.search import find
from customer_risk.serving.record.sinks.settings import BigQuerySettings, GcsSettings
from tests.system.asking import PATIENCE
from tests.system.gate import Gate

pytestmark = pytest.mark.system

DAY = "2026-11-21"
ROWS = 2000
TRANSACTION = [
    *(SchemaField(name, "STRING") for name in ("id", "state", "type", "currency", "direction")),
    SchemaField("amount", "FLOAT"),
    SchemaField("created_at", "TIMESTAMP"),
    SchemaField("completed_at", "TIMESTAMP"),
]
PROFILE = [
    *(SchemaField(name, "STRING") for name in ("reason_to_use_app", "occupation", "kyc_state", "screening_state")),
    *(SchemaField(name, "STRING") for name in ("country_of_residence", "phone_number_country_code")),
    *(SchemaField(name, "STRING") for name in ("document_issuing_country", "locale")),
    *(SchemaField(name, "BOOLEAN") for name in ("has_biometrics", "is_pep", "is_adverse_media_minor")),
    SchemaField("date_of_birth", "DATE"),
]
SCHEMA = [
    SchemaField("customer_id", "STRING"),
    SchemaField("profile", "RECORD", fields=PROFILE),
    SchemaField("transactions", "RECORD", mode="REPEATED", fields=TRANSACTION),
    SchemaField("history_complete", "BOOLEAN"),
]


@pytest.fixture
def settings():
    """Return the settings of a run."""

    def make(**more) -> dict:
        return {"run": DAY, "patience_seconds": PATIENCE, "part_rows": 500, **more}

    return make


@pytest.fixture
def score(bundle, settings):
    """Run a batch in this process."""

    def run(**more) -> dict:
        return main.score(msgspec.convert(settings(**more), BatchSettings), bundle, None, threading.Event())

    return run


@pytest.fixture
def begin(command, bundle, tmp_path, settings):
    """Start a run in a separate process."""

    def started(**more) -> Process:
        config = tmp_path / "batch.yaml"
        config.write_text(json.dumps(settings(**more)))
        return Process([command, "batch", "--config", config, "--bundle", bundle], tmp_path)

    return started


class Process(subprocess.Popen):
    """A run's process."""

    def __init__(self, arguments: list, folder) -> None:
        self._out, self._err = folder / "out", folder / "err"
        with self._out.open("w") as out, self._err.open("w") as err:
            super().__init__(arguments, stdout=out, stderr=err)

    def until(self, so) -> None:
        """Wait until a condition holds, while the process runs."""
        deadline = time.monotonic() + PATIENCE
        while not so():
            assert self.poll() is None, self._err.read_text()
            assert time.monotonic() < deadline, self._err.read_text()
            time.sleep(0.02)

    def tries_again(self) -> bool:
        """Whether the log has a retry."""
        return "retrying in" in self._err.read_text()

    def end(self) -> tuple[dict, str]:
        """Wait for a successful end; return the summary and the log."""
        assert self.wait(PATIENCE) == 0, self._err.read_text()
        return json.loads(self._out.read_text().splitlines()[-1])["batch"], self._err.read_text()


def requests(sound_request: dict, count: int) -> list[dict]:
    """Valid requests, except for row 7 with an invalid amount."""
    made = [sound_request | {"customer_id": f"c-{number}"} for number in range(count)]
    if count > 7:
        bad = {**sound_request["transactions"][0], "amount": -1.0}
        made[7] = made[7] | {"transactions": [bad, *sound_request["transactions"][1:]]}
    return made


class Dataset:
    """A dataset with customers to score."""

    def __init__(self, server, name: str) -> None:
        self.server, self.name = server, name
        self._connections = Connections(BigQuerySettings(project="risk", dataset=name, endpoint=server.endpoint))
        self.client = self._connections.rest
        self.client.create_dataset(f"risk.{name}")

    def input(self, **more) -> dict:
        """The settings of the input."""
        place = {"project": "risk", "dataset": self.name, "table": "customers"}
        return {"type": "bigquery", **place, "endpoint": self.server.endpoint, **more}

    def output(self, **more) -> dict:
        """The settings of the output."""
        return {"type": "bigquery", "project": "risk", "dataset": self.name, "endpoint": self.server.endpoint, **more}

    def fill(self, documents: list[dict], schema=SCHEMA) -> None:
        """Put customers into the table."""
        lines = io.BytesIO("\n".join(json.dumps(each) for each in documents).encode())
        config = LoadJobConfig(schema=schema, source_format="NEWLINE_DELIMITED_JSON")
        self.client.load_table_from_file(lines, f"risk.{self.name}.customers", job_config=config).result()

    def ask(self, query: str, table: str = "scores") -> list[tuple]:
        """Return the rows of a query on the results."""
        found = self.client.query_and_wait(query.format(t=f"`risk.{self.name}.{table}`"), retry=None, job_retry=None)
        return [row.values() for row in found]

    def stored(self) -> set[str]:
        """The ids of all decisions in the results."""
        try:
            return {name for (name,) in self.ask("SELECT decision_id FROM {t}")}
        except GoogleAPIError:  # the table isn't there yet
            return set()

    def customers(self) -> Counter:
        """Return how often each customer is in the results."""
        return Counter(name for (name,) in self.ask("SELECT customer_id FROM {t}"))


@pytest.fixture
def dataset(bigquery, request):
    """A dataset for one test."""
    made = Dataset(bigquery, f"d{abs(hash(request.node.name))}")
    yield made
    made.client.close()


def each_once(count: int) -> Counter:
    """Return the expected results of a number of customers."""
    return Counter({f"c-{number}": 1 for number in range(count)})


def test_a_table_is_scored_into_a_table(score, dataset, sound_request, caplog) -> None:
    """Each row has its result, a refused one its problem; a repeated run changes nothing."""
    dataset.fill(requests(sound_request, 1200))
    ends = {"input": dataset.input(where="customer_id != 'c-3'"), "output": dataset.output()}
    summary = score(**ends)
    assert (summary["rows"], summary["refused"], summary["parts"]) == (1199, 1, 3)
    assert dataset.customers() == each_once(1200) - Counter(["c-3"])
    ((problem, errors),) = dataset.ask("SELECT problem, errors FROM {t} WHERE status != 200")
    assert problem == "bad-fields"
    assert [each["pointer"] for each in errors] == ["/transactions/0/amount"]
    ((reasons, at, warnings),) = dataset.ask("SELECT reasons, decided_at, warnings FROM {t} WHERE customer_id = 'c-0'")
    assert reasons[0]["investigator_text"]
    assert at.tzinfo is not None
    assert warnings == []
    caplog.set_level("INFO", "serving.batch")
    assert score(**ends) == summary
    assert "nothing to do" in caplog.text
    assert dataset.customers().total() == 1199
    finished = dataset.ask("SELECT run, rows, refused FROM {t}", table="scores_runs")
    assert finished == [(f"batch-{DAY}", 1199, 1)]


def test_a_killed_run_keeps_its_stored_parts(begin, dataset, sound_request) -> None:
    """A killed run that is repeated has one result for each row and keeps the stored parts."""
    dataset.fill([sound_request | {"customer_id": f"c-{number}"} for number in range(ROWS)])
    ends = {"input": dataset.input(), "output": dataset.output(), "part_rows": 100}
    process = begin(**ends)
    process.until(dataset.stored)
    process.kill()
    process.wait()
    kept = dataset.stored()
    assert 0 < len(kept) < ROWS
    summary, _ = begin(**ends).end()
    assert (summary["rows"], summary["parts"], summary["parts_stored_before"]) == (ROWS, 20, len(kept) // 100)
    assert sum(summary["segments"].values()) == ROWS
    assert dataset.customers() == each_once(ROWS)
    assert kept <= dataset.stored()


def test_a_run_waits_for_a_server_that_dies(begin, dataset, sound_request, tmp_path) -> None:
    """A server that dies during the run loses and doubles no row; each decision is in the record."""
    dataset.fill([sound_request | {"customer_id": f"c-{number}"} for number in range(ROWS)])
    shipped = tmp_path / "record"
    record = {
        "enabled": True,
        "folder": str(tmp_path / "outbox"),
        "ship": {"sinks": [{"type": "folder", "path": str(shipped)}], "batch_seconds": 0.2},
    }
    process = begin(input=dataset.input(), output=dataset.output(), part_rows=100, record=record)
    process.until(dataset.stored)
    with dataset.server.killed():
        process.until(process.tries_again)
    summary, log = process.end()
    assert "retrying in" in log
    assert summary["rows"] == ROWS
    assert dataset.customers() == each_once(ROWS)
    recorded = {each["decision_id"]: each for each in find(LocalObjects(shipped))}
    assert dataset.stored() == set(recorded)
    assert {(each["route"], each["caller"]) for each in recorded.values()} == {("batch", f"batch-{DAY}")}


def test_a_lost_response_stores_nothing_twice(score, dataset, sound_request) -> None:
    """If the response to a load is lost, the table is queried before the part is loaded again."""
    dataset.fill(requests(sound_request, 1200))
    gate = Gate(dataset.server.endpoint)
    gate.losing, gate.most_lost = b"PUT /upload", 2
    summary = score(input=dataset.input(), output=dataset.output(endpoint=gate.endpoint))
    gate.close()
    assert (summary["rows"], gate.lost) == (1200, 2)
    assert dataset.customers() == each_once(1200)


def test_a_server_that_stays_unavailable_ends_the_run(score, dataset, sound_request) -> None:
    """A server that stays unavailable ends the run, which may be repeated."""
    dataset.fill(requests(sound_request, 5))
    with dataset.server.killed(), pytest.raises(SinkUnavailable):
        score(input=dataset.input(), output=dataset.output(), patience_seconds=0.1)


def test_an_unreadable_table_is_named(score, dataset, sound_request) -> None:
    """A missing table, unknown columns and an invalid condition are named."""
    with pytest.raises(ConfigError, match=rf"input: bigquery: risk\.{dataset.name}\.customers can't be read"):
        score(input=dataset.input(), output=dataset.output())
    columns = [SchemaField("customer_id", "STRING"), SchemaField("age", "FLOAT")]
    dataset.fill([{"customer_id": "c-1", "age": 3}], columns)
    with pytest.raises(UnusableInput, match="has none of the three forms; its columns are customer_id, age"):
        score(input=dataset.input(), output=dataset.output())
    dataset.client.delete_table(f"risk.{dataset.name}.customers")
    dataset.fill(requests(sound_request, 3))
    with pytest.raises(ConfigError, match="nonsense"):
        score(input=dataset.input(where="nonsense = 1"), output=dataset.output())


def test_a_failed_query_is_sent_again(score, dataset, sound_request) -> None:
    """A query that failed, or found no rows, is sent again by a repeated run."""
    dataset.fill(requests(sound_request, 3))
    ends = {"input": dataset.input(where="later > 0"), "output": dataset.output()}
    with pytest.raises(ConfigError, match="later"):
        score(**ends)
    dataset.client.delete_table(f"risk.{dataset.name}.customers")
    later = [*SCHEMA, SchemaField("later", "INTEGER")]
    dataset.client.create_table(Table(f"risk.{dataset.name}.customers", schema=later))
    with pytest.raises(UnusableInput, match="The input has 0 rows"):
        score(**ends)
    dataset.fill(
        [each | {"later": 1} for each in requests(sound_request, 3)], [*SCHEMA, SchemaField("later", "INTEGER")]
    )
    assert score(**ends)["rows"] == 3


def test_results_of_an_earlier_release_get_the_new_column(score, dataset, sound_request, caplog) -> None:
    """The column of patterns is added at the end of an existing table, and its earlier rows have an empty list."""
    caplog.set_level("INFO", "serving.batch")
    dataset.fill(requests(sound_request, 3))
    *earlier, patterns = fields(COLUMNS)
    dataset.client.create_table(Table(f"risk.{dataset.name}.scores", schema=earlier))
    row = {"day": "2026-11-20", "run": "old", "plan": "p", "part": "0", "row": 0, "status": 200, "customer_id": "old"}
    config = LoadJobConfig(schema=earlier, source_format="NEWLINE_DELIMITED_JSON")
    lines = io.BytesIO(json.dumps(row).encode())
    dataset.client.load_table_from_file(lines, f"risk.{dataset.name}.scores", job_config=config).result()
    assert dataset.customers() == Counter(["old"])
    assert score(input=dataset.input(), output=dataset.output())["rows"] == 3
    assert dataset.client.get_table(f"risk.{dataset.name}.scores").schema[-1].name == patterns.name == "patterns"
    assert dataset.customers() == Counter(["old", "c-0", "c-1", "c-2"])
    assert dataset.ask("SELECT COUNT(*) FROM {t}, UNNEST(patterns)") == [(0,)]
    assert f"columns added to risk.{dataset.name}.scores: patterns" in caplog.text


def test_an_incompatible_table_is_not_written_to(score, dataset, sound_request) -> None:
    """A column of another type, and a missing dataset, are named before anything is written."""
    dataset.fill(requests(sound_request, 3))
    fields = [SchemaField("day", "DATE"), SchemaField("run", "INTEGER")]
    dataset.client.create_table(Table(f"risk.{dataset.name}.scores", schema=fields))
    with pytest.raises(ConfigError, match=r"output: bigquery: column run of .*\.scores is INTEGER, not STRING"):
        score(input=dataset.input(), output=dataset.output())
    with pytest.raises(ConfigError, match=r"output: bigquery: risk\.nobodys\.scores can't be written to"):
        score(input=dataset.input(), output=dataset.output(dataset="nobodys"))
    assert dataset.ask("SELECT COUNT(*) FROM {t}") == [(0,)]


def test_deleted_results_leave_the_run_unfinished(score, dataset, sound_request) -> None:
    """If rows of a part were deleted, the run is not finished."""
    dataset.fill(requests(sound_request, 1200))
    ends = {"input": dataset.input(), "output": dataset.output()}
    summary = score(**ends)
    dataset.ask("DELETE FROM {t} WHERE part = '00000-00001'")
    dataset.ask("DELETE FROM {t} WHERE TRUE", table="scores_runs")
    output = open_output(msgspec.convert(ends["output"], BigQueryOutput), f"batch-{DAY}", DAY)
    with pytest.raises(ResultsAltered, match=r"has 700 rows of .*, but 1200 were stored"):
        output.finish(summary)
    output.close()
    assert score(**ends)["rows"] == 1200
    assert dataset.customers() == each_once(1200)


def test_a_column_of_the_wrong_type_refuses_its_rows_by_name(score, dataset, sound_request) -> None:
    """Each row with a value of the wrong type has a problem."""
    request = {**sound_request, "profile": {**sound_request["profile"], "has_biometrics": "maybe"}}
    profile = [each for each in PROFILE if each.name != "has_biometrics"] + [SchemaField("has_biometrics", "STRING")]
    schema = [SchemaField("profile", "RECORD", fields=profile), *(each for each in SCHEMA if each.name != "profile")]
    dataset.fill([request, request | {"customer_id": "c-2"}], schema)
    assert score(input=dataset.input(), output=dataset.output())["refused"] == 2
    errors = [errors for (errors,) in dataset.ask("SELECT errors FROM {t}")]
    assert [[each["pointer"] for each in some] for some in errors] == [["/profile/has_biometrics"]] * 2


def test_types_of_bigquery_are_read_as_those_of_parquet(score, dataset, sound_request) -> None:
    """Integer ids, a birth at midnight and NUMERIC amounts are read; other columns are ignored."""
    request = copy.deepcopy(sound_request) | {"customer_id": 7, "remark": "x"}
    request["profile"] |= {"date_of_birth": "1990-01-31 00:00:00"}
    for each in request["transactions"]:
        each["amount"] = "12.25"
    changed = {"date_of_birth": "TIMESTAMP", "amount": "NUMERIC", "customer_id": "INTEGER"}

    def retyped(fields: list[SchemaField]) -> list[SchemaField]:
        return [
            SchemaField(each.name, changed.get(each.name, each.field_type), each.mode, fields=retyped(each.fields))
            for each in fields
        ]

    dataset.fill([request], [*retyped(SCHEMA), SchemaField("remark", "STRING")])
    assert score(input=dataset.input(), output=dataset.output())["refused"] == 0
    assert dataset.customers() == Counter(["7"])


class Bucket:
    """A bucket with customers to score."""

    def __init__(self, server, name: str, folder) -> None:
        server.make_bucket(name)
        self.server, self.name, self._folder = server, name, folder
        self.objects = open_objects(GcsSettings(bucket=name, endpoint=server.endpoint))

    def settings(self, prefix: str) -> dict:
        """The settings of the input, and of the output."""
        return {"type": "gcs", "bucket": self.name, "prefix": prefix, "endpoint": self.server.endpoint}

    def fill(self, key: str, documents: list[dict], query: str = "SELECT * FROM t") -> None:
        """Put customers into an object."""
        lines, path = self._folder / "lines.ndjson", self._folder / "object.parquet"
        lines.write_text("\n".join(json.dumps(each) for each in documents))
        with duckdb.connect() as base:
            base.execute(f"CREATE TABLE t AS SELECT * FROM read_json('{lines}', format = 'newline_delimited')")  # noqa: S608
            base.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        assert self.objects.create(key, path.read_bytes())

    def stored(self) -> int:
        """How many parts of the run there are."""
        return len(list(self.objects.list(f"out/run=batch-{DAY}/part-")))

    def results(self, what: str) -> list[tuple]:
        """Query all parts of the run."""
        folder = self._folder / "fetched"
        folder.mkdir(exist_ok=True)
        for key in self.objects.list(f"out/run=batch-{DAY}/part-"):
            (folder / key.rpartition("/")[2]).write_bytes(self.objects.get(key))
        with duckdb.connect() as base:
            return base.execute(f"SELECT {what} FROM read_parquet('{folder}/*.parquet')").fetchall()  # noqa: S608


@pytest.fixture
def bucket(gcs, request, tmp_path):
    """A bucket for one test."""
    made = Bucket(gcs, f"b{abs(hash(request.node.name))}", tmp_path)
    yield made
    made.objects.close()


def test_objects_are_scored_into_objects(score, bucket, sound_request, caplog) -> None:
    """Each row of several files has one result; the summary is last; a repeated run changes nothing."""
    documents = requests(sound_request, 900)
    bucket.fill("in/a.parquet", documents[:600])
    bucket.fill("in/b.parquet", documents[600:])
    ends = {"input": bucket.settings("in/"), "output": bucket.settings("out")}
    summary = score(**ends)
    assert (summary["rows"], summary["refused"], summary["parts"]) == (900, 1, 3)
    assert Counter(name for (name,) in bucket.results("customer_id")) == each_once(900)
    assert json.loads(bucket.objects.get(f"out/run=batch-{DAY}/summary.json")) == summary
    before = list(bucket.objects.list("out/"))
    caplog.set_level("INFO", "serving.batch")
    assert score(**ends) == summary
    assert "nothing to do" in caplog.text
    assert list(bucket.objects.list("out/")) == before


def test_an_unavailable_bucket_and_a_killed_run_lose_nothing(begin, bucket, sound_request) -> None:
    """A run that is killed, and repeated while the server is dead for a while, loses nothing."""
    bucket.fill("in/a.parquet", [sound_request | {"customer_id": f"c-{number}"} for number in range(ROWS)])
    ends = {"input": bucket.settings("in/"), "output": bucket.settings("out"), "part_rows": 100}
    process = begin(**ends)
    process.until(bucket.stored)
    process.kill()
    process.wait()
    stored = bucket.stored()
    assert 0 < stored < 20
    process = begin(**ends)
    process.until(lambda: bucket.stored() > stored)
    with bucket.server.killed():
        process.until(process.tries_again)
    summary, log = process.end()
    assert "retrying in" in log
    assert (summary["rows"], summary["parts_stored_before"]) == (ROWS, stored)
    assert Counter(name for (name,) in bucket.results("customer_id")) == each_once(ROWS)


def test_unusable_objects_are_named(score, bucket) -> None:
    """A missing bucket, a missing object and an object that is not Parquet are named."""
    output = bucket.settings("out")
    with pytest.raises(ConfigError, match="input: gcs: gs://nobodys/in/ can't be listed"):
        score(input=bucket.settings("in/") | {"bucket": "nobodys"}, output=output)
    with pytest.raises(UnusableInput, match=f"There is no Parquet object at gs://{bucket.name}/in/"):
        score(input=bucket.settings("in/"), output=output)
    bucket.objects.create("in/a.parquet", b"PAR1 not at all")
    with pytest.raises(UnusableInput, match=f"gs://{bucket.name}/in/a.parquet can't be read as Parquet"):
        score(input=bucket.settings("in/"), output=output)
    with pytest.raises(ConfigError, match="output: gcs: the bucket 'nobodys'"):
        score(input=bucket.settings("in/"), output=bucket.settings("out") | {"bucket": "nobodys"})


def test_changed_input_of_a_started_run_is_an_error(score, bucket, sound_request) -> None:
    """A repeated run with other input than that of the stored parts is an error."""
    bucket.fill("in/a.parquet", requests(sound_request, 5))
    bucket.fill("in/b.parquet", [{"customer_id": "c-9"}])
    ends = {"input": bucket.settings("in/"), "output": bucket.settings("out")}
    with pytest.raises(UnusableInput, match=f"gs://{bucket.name}/in/b.parquet has none of the three forms"):
        score(**ends)
    assert list(bucket.objects.list("out/")) == [f"out/run=batch-{DAY}/part-00000-00000.parquet"]
    bucket.objects.delete("in/b.parquet")
    bucket.fill("in/b.parquet", requests(sound_request, 3))
    with pytest.raises(UnusableInput, match="was made from other input"):
        score(**ends)
