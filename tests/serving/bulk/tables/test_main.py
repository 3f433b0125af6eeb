"""`customer-risk batch`: exit codes, and what is said."""

from __future__ import annotations

import json
import logging
import signal

import pytest
from click.testing import CliRunner

from customer_risk.model.errors import ConfigError
from customer_risk.serving.bulk.tables import main
from customer_risk.serving.bulk.tables.run_date import JOB
from customer_risk.serving.bulk.tables.settings import load_settings
from customer_risk.serving.cli.commands import batch


@pytest.fixture(autouse=True)
def _untouched():
    """A process's own affairs as they were."""
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
    """A file of settings, with others than these."""

    def write(**more):
        path = tmp_path / "batch.yaml"
        ends = {"input": {"type": "folder", "path": "in"}, "output": {"type": "folder", "path": "out"}}
        ends = {name: {**end, "path": str(tmp_path / end["path"])} for name, end in ends.items()}
        path.write_text(json.dumps({"patience_seconds": 0, "rules": {"enabled": False}, **ends, **more}))
        return path

    return write


@pytest.fixture
def run(bundle):
    """The command, in this process."""

    def invoke(config, *options):
        return CliRunner().invoke(batch, ["--config", str(config), "--bundle", str(bundle), *options])

    return invoke


def test_the_summary_is_one_line_for_machines(run, config, to_parquet, customers, tmp_path) -> None:
    """Last of all, on standard output, with what is counted."""
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
def test_more_refused_rows_than_may_be_are_an_exit_code(
    run, config, to_parquet, customers, tmp_path, most, code
) -> None:
    """Of a run that is over, and again when it is run again."""
    documents = customers(2)
    documents[0]["transactions"] = [documents[0]["transactions"][0] | {"amount": -1.0}]
    to_parquet(tmp_path / "in" / "a.parquet", documents)
    assert [run(config(most_refused=most)).exit_code for _ in range(2)] == [code, code]


def test_what_may_be_better_later_is_an_exit_code(run, config, to_parquet, customers, tmp_path) -> None:
    """The output's folder is a file's: it may be mounted by then."""
    to_parquet(tmp_path / "in" / "a.parquet", customers(2))
    gcs = {"type": "gcs", "bucket": "scores", "endpoint": "http://127.0.0.1:9"}
    done = run(config(output=gcs))
    assert done.exit_code == 1
    assert "the run isn't over: The bucket 'scores' fails" in done.output


def test_what_will_not_be_better_is_raised(run, config) -> None:
    """The command line's own part makes 2 of it."""
    done = run(config())
    assert "There is no Parquet file" in str(done.exception)
    done = run(config(output={"type": "gcs", "bucket": ""}))
    assert isinstance(done.exception, ConfigError)
    assert "output: gcs: `bucket` is empty" in str(done.exception)


def test_the_job_s_name_tells_the_day(bundle, config, to_parquet, customers, tmp_path, monkeypatch) -> None:
    """As the chart hands it over."""
    import threading

    to_parquet(tmp_path / "in" / "a.parquet", customers(1))
    monkeypatch.setenv(JOB, "risk-batch-29920000")
    summary = main.score(load_settings(config()), bundle, None, threading.Event())
    assert summary["run"] == "batch-2026-11-20"


def test_decisions_are_recorded_and_shipped(bundle, config, to_parquet, customers, tmp_path) -> None:
    """Each result's own, under the run's name, before the run ends."""
    import threading

    from customer_risk.serving.record.sinks.folder import LocalObjects
    from customer_risk.serving.record.sinks.search import find

    to_parquet(tmp_path / "in" / "a.parquet", customers(3))
    record = {"enabled": True, "folder": str(tmp_path / "outbox"), "ship": {"batch_seconds": 0}}
    summary = main.score(load_settings(config(record=record, patience_seconds=60)), bundle, None, threading.Event())
    recorded = list(find(LocalObjects(tmp_path / "outbox" / "shipped")))
    assert sorted(each["customer_id"] for each in recorded) == ["c-0", "c-1", "c-2"]
    assert {(each["route"], each["caller"]) for each in recorded} == {("batch", summary["run"])}


def test_records_that_no_sink_takes_are_an_exit_code(run, config, to_parquet, customers, tmp_path) -> None:
    """The run is over, and says where they are left."""
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
