"""`customer-risk batch`: exit codes and messages."""

from __future__ import annotations

import datetime as dt
import json
import logging
import signal

import pytest
from click.testing import CliRunner

from customer_risk.model.errors import ConfigError
from customer_risk.serving.bulk.tables import main
from customer_risk.serving.bulk.tables.settings import load_settings
from customer_risk.serving.cli.commands import batch


@pytest.fixture(autouse=True)
def _untouched():
    """Restore this process's signal handlers and logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def config(tmp_path):
    """Write a file of settings with changes."""

    def write(**more):
        path = tmp_path / "batch.yaml"
        ends = {"input": {"type": "folder", "path": "in"}, "output": {"type": "folder", "path": "out"}}
        ends = {name: {**end, "path": str(tmp_path / end["path"])} for name, end in ends.items()}
        path.write_text(json.dumps({"patience_seconds": 0, "rules": {"enabled": False}, **ends, **more}))
        return path

    return write


@pytest.fixture
def run(bundle):
    """Run the command in this process."""

    def invoke(config, *options):
        return CliRunner().invoke(batch, ["--config", str(config), "--bundle", str(bundle), *options])

    return invoke


def test_the_summary_is_one_line_of_json(run, config, to_parquet, customers, tmp_path) -> None:
    """The last line on standard output is the summary as JSON."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(3))
    done = run(config(), "--run", "2026-11-21")
    assert done.exit_code == 0, done.output
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["severity"] == "INFO"
    assert line["message"].startswith("run batch-2026-11-21: 3 rows (")
    assert (line["batch"]["rows"], line["batch"]["refused"]) == (3, 0)
    assert line["batch"]["model"]["name"] == "customer-risk"
    assert (tmp_path / "out" / "run=batch-2026-11-21" / "summary.json").is_file()


@pytest.mark.parametrize(("most", "code"), [(0.5, 0), (0.4, 3)])
def test_too_many_refused_rows_end_with_3(run, config, to_parquet, customers, tmp_path, most, code) -> None:
    """A run with too many refused rows ends with 3, also when it is repeated."""
    documents = customers(2)
    documents[0]["transactions"] = [documents[0]["transactions"][0] | {"amount": -1.0}]
    to_parquet(tmp_path / "in" / "a.parquet", documents)
    assert [run(config(most_refused=most)).exit_code for _ in range(2)] == [code, code]


def test_a_temporary_failure_ends_with_1(run, config, to_parquet, customers, tmp_path) -> None:
    """An output that is unavailable for now ends the run with 1."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(2))
    gcs = {"type": "gcs", "bucket": "scores", "endpoint": "http://127.0.0.1:9"}
    done = run(config(output=gcs))
    assert done.exit_code == 1
    assert "the run isn't finished: The bucket 'scores' fails" in done.output


def test_a_permanent_error_is_raised(run, config) -> None:
    """An input that cannot be used is raised as an error, which the command line turns into 2."""
    done = run(config())
    assert "No Parquet file" in str(done.exception)
    done = run(config(output={"type": "gcs", "bucket": ""}))
    assert isinstance(done.exception, ConfigError)
    assert "output: gcs: `bucket` is empty" in str(done.exception)


def test_the_day_comes_from_the_jobs_name(bundle, config, to_parquet, customers, tmp_path, monkeypatch) -> None:
    """The day is that of the CronJob's job."""
    import threading

    to_parquet(tmp_path / "in" / "a.parquet", customers(1))
    monkeypatch.setenv(main.JOB, "risk-batch-29920000")
    summary = main.score(load_settings(config()), bundle, None, threading.Event())
    assert summary["run"] == "batch-2026-11-20"


def test_decisions_are_recorded_and_shipped(bundle, config, to_parquet, customers, tmp_path) -> None:
    """Each decision is recorded under the name of the run and shipped before the run ends."""
    import threading

    from customer_risk.serving.record.sinks.folder import LocalObjects
    from customer_risk.serving.record.sinks.search import find

    to_parquet(tmp_path / "in" / "a.parquet", customers(3))
    record = {"enabled": True, "folder": str(tmp_path / "outbox"), "ship": {"batch_seconds": 0}}
    summary = main.score(load_settings(config(record=record, patience_seconds=60)), bundle, None, threading.Event())
    recorded = list(find(LocalObjects(tmp_path / "outbox" / "shipped")))
    assert sorted(each["customer_id"] for each in recorded) == ["c-0", "c-1", "c-2"]
    assert {(each["route"], each["caller"]) for each in recorded} == {("batch", summary["run"])}


def test_unshipped_records_end_with_1(run, config, to_parquet, customers, tmp_path) -> None:
    """If records could not be shipped, the run ends with 1 and says where they are."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(3))
    sink = {"type": "gcs", "bucket": "record", "endpoint": "http://127.0.0.1:9"}
    record = {
        "enabled": True,
        "folder": str(tmp_path / "outbox"),
        "ship": {"batch_seconds": 0, "drain_seconds": 0, "sinks": [sink]},
    }
    done = run(config(record=record, patience_seconds=1))
    assert done.exit_code == 1
    assert f"Results are stored, but records are left in {tmp_path / 'outbox'}" in done.output


NOW = dt.datetime(2026, 11, 22, 0, 5, tzinfo=dt.UTC)
DUE = f"risk-batch-{int(dt.datetime(2026, 11, 21, 23, 50, tzinfo=dt.UTC).timestamp()) // 60}"


@pytest.mark.parametrize(
    ("given", "job", "day"),
    [
        (None, DUE, dt.date(2026, 11, 21)),
        (None, "", NOW.date()),
        (None, "by-hand", NOW.date()),
        (None, "risk-batch-7", NOW.date()),
        (dt.date(2026, 1, 2), DUE, dt.date(2026, 1, 2)),
    ],
)
def test_the_day_of_a_run(given, job, day) -> None:
    """The day is the given one, or that of the CronJob's due time, also after midnight, or the current one."""
    assert main.day_of(given, job, NOW) == day
