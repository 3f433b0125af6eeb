"""The audit commands that change the record or the progress."""

from __future__ import annotations

import shutil

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.shipper.lock import Lock
from customer_risk.serving.record.shipper.progress import Plan, Progress
from customer_risk.serving.record.sinks.erasure_lock import ErasureRunning, erasure_lock
from customer_risk.serving.record.sinks.folder import LocalObjects


@pytest.fixture
def own(stored, tmp_path):
    """A copy of the stored record, which the test may change."""
    shutil.copytree(stored, tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture
def shipped(recorded, tmp_path):
    """An outbox that was shipped to a folder and a bucket, according to its progress."""
    folder = tmp_path / "outbox"
    shutil.copytree(recorded, folder)
    progress = Progress(folder)
    (file,) = find_files(folder)
    for sink in ("folder", "gcs"):
        plan = Plan(file.source, 1, 60, (), b"")
        progress.intend(sink, plan)
        progress.settle(sink, plan, b"place")
    progress.close()
    return folder


def cursor(folder, sink):
    """Return a sink's cursor and place."""
    progress = Progress(folder)
    (file,) = find_files(folder)
    try:
        return progress.cursor(sink, file.source), progress.place(sink)
    finally:
        progress.close()


def erased(run, own, *more, customer="c-7"):
    """Return a function that erases a customer without a confirmation."""
    return run("erase", customer, "--from", own, "--by", "dpo", "--why", "request 12", "--yes", *more)


def test_an_erased_customer_is_not_in_the_record(run, own, records, registry) -> None:
    """The record verifies, replay says that the decisions are erased, and nothing names the customer."""
    result = erased(run, own)
    assert result.exit_code == 0
    assert "segments replaced" in result.output
    assert run("verify", "--from", own).exit_code == 0
    replayed = run("replay", "--since", "2027-01-15", "--from", own, "--registry", registry)
    assert replayed.exit_code == 0
    assert ["erased", "2"] in [line.split() for line in replayed.output.splitlines()]
    record = next(record for record, _ in records if record.customer_id == "c-7")
    assert "c-7" not in run("show", record.record_id, "--from", own).output.split()  # a random id may contain it


def test_an_erasure_without_records_writes_nothing(run, own) -> None:
    """An erasure of a customer without records says so, and writes nothing."""
    assert "no data of this customer" in erased(run, own, customer="c-unknown").output
    assert not (own / "erasures").exists()


def test_an_erasure_needs_a_confirmation(run, own) -> None:
    """Without --yes the command asks; without consent nothing changes."""
    result = run("erase", "c-7", "--from", own, "--by", "dpo", "--why", "request 12", input="n\n")
    assert result.exit_code == 1
    assert not (own / "erasures").exists()


def test_an_erasure_needs_a_reason(run, own) -> None:
    """An erasure without a reason is refused."""
    assert run("erase", "c-7", "--from", own).exit_code == 2


def test_an_erasure_needs_an_author(run, own) -> None:
    """An erasure without an author is refused."""
    result = run("erase", "c-7", "--from", own, "--by", " ", "--why", "request 12", "--yes")
    assert isinstance(result.exception, ConfigError)


def test_an_erasure_needs_a_place(run, recorded) -> None:
    """An erasure from the outbox alone is refused."""
    result = run("erase", "c-7", "--outbox", recorded, "--by", "dpo", "--why", "request 12", "--yes")
    assert isinstance(result.exception, ConfigError)


def test_unshipped_records_are_counted(run, own, recorded) -> None:
    """Records in the outbox are counted, with exit code 1: they must be erased after they are shipped."""
    result = erased(run, own, "--outbox", recorded)
    assert result.exit_code == 1
    assert "2 records of this customer stay" in result.output


def test_segments_without_a_manifest_are_named(run, own) -> None:
    """Segments without a manifest are named, with exit code 1: their shipper may write them again."""
    max((own / "manifest").rglob("*.json")).unlink()
    result = erased(run, own, customer="c-49")
    assert result.exit_code == 1
    assert "erase again" in result.output


def test_an_unreadable_segment_does_not_stop_an_erasure(run, own) -> None:
    """An unreadable segment is named on standard error, with exit code 1; the customer is erased from all others."""
    _, _, _, torn = sorted(own.rglob("*.parquet"), key=lambda path: int(path.name.split("-")[1]))
    torn.write_bytes(b"torn")
    result = erased(run, own)
    assert result.exit_code == 1
    assert "1 segment replaced" in result.stdout
    assert "1 segment can't be read" in result.stdout
    assert result.stderr.count(torn.name) == 1
    assert erased(run, own, customer="c-unknown").exit_code == 1


def test_unreadable_records_of_the_outbox_are_counted(run, own, tmp_path) -> None:
    """Damaged records are counted, with exit code 1, because they may be of the customer."""
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**8, file_bytes=10**7)
    outbox.add(b"\xc1 c-7")
    outbox.commit()
    outbox.close()
    result = erased(run, own, "--outbox", tmp_path / "outbox")
    assert result.exit_code == 1
    assert "1 record can't be read" in result.stdout


def test_shipping_again_from_a_time_on_skips_unreadable_records(run, shipped, records) -> None:
    """Damaged records don't stop the search for the first record of that time."""
    (file,) = find_files(shipped)
    data = bytearray(file.path.read_bytes())
    file.last()
    for number in (0, 1):
        data[file._starts[number]] ^= 1
    file.path.write_bytes(data)
    since = "2027-01-15T08:00:03Z"
    older = sum(record.at < 1_800_000_003_000_000 for record, _ in records)
    result = run("reship", "--outbox", shipped, "--sink", "folder", "--since", since, "--yes")
    assert f"{60 - older} records" in result.output


def test_a_second_erasure_is_an_error(run, own) -> None:
    """A second erasure ends with an error and changes nothing; with --take-lock, it replaces the lock."""
    with erasure_lock(LocalObjects(own), by="another officer", at="2027-01-15T08:00:00Z") as lock:
        result = erased(run, own)
        assert isinstance(result.exception, ErasureRunning)
        assert "another officer began at 2027-01-15T08:00:00Z" in str(result.exception)
        assert not (own / "erasures").exists()
        assert erased(run, own, "--take-lock").exit_code == 0
        with pytest.raises(ErasureRunning):
            lock.check()
    assert run("verify", "--from", own).exit_code == 0


def test_shipping_again_rewinds_one_sink(run, shipped) -> None:
    """A rewound sink gets everything that the outbox has; other sinks don't change."""
    result = run("reship", "--outbox", shipped, "--sink", "folder", "--yes")
    assert result.exit_code == 0
    assert "60 records" in result.output
    assert cursor(shipped, "folder") == (0, b"")
    assert cursor(shipped, "gcs") == (60, b"place")


def test_shipping_again_keeps_older_records_settled(run, shipped, records) -> None:
    """Older records stay settled, and the sink is asked for a new place."""
    since = "2027-01-15T08:00:03Z"
    older = sum(record.at < 1_800_000_003_000_000 for record, _ in records)
    result = run("reship", "--outbox", shipped, "--sink", "folder", "--since", since, "--yes")
    assert f"{60 - older} records" in result.output
    assert cursor(shipped, "folder") == (older, b"")


def test_shipping_again_waits_for_the_shipper(run, shipped) -> None:
    """The command waits until a running shipper ends."""
    lock = Lock(shipped)
    assert lock.take()
    result = run("reship", "--outbox", shipped, "--sink", "folder", "--yes", "--wait", "0.05")
    lock.release()
    assert isinstance(result.exception, ConfigError)
    assert "waiting for the shipper" in result.output
    assert cursor(shipped, "folder") == (60, b"place")
    assert run("reship", "--outbox", shipped, "--sink", "folder", "--yes").exit_code == 0


def test_shipping_again_needs_a_confirmation(run, shipped) -> None:
    """Without --yes the command asks, since a sink that isn't empty would get records twice."""
    assert run("reship", "--outbox", shipped, "--sink", "folder", input="n\n").exit_code == 1
    assert cursor(shipped, "folder") == (60, b"place")


def test_a_folder_without_progress_is_refused(run, recorded) -> None:
    """A folder without progress is refused."""
    result = run("reship", "--outbox", recorded, "--sink", "folder", "--yes")
    assert isinstance(result.exception, ConfigError)


def test_an_emptied_sink_is_filled_again(run, recorded, tmp_path, registry) -> None:
    """The shipper fills an emptied sink; the record verifies and replays."""
    from customer_risk.serving.record.settings import RecordSettings
    from customer_risk.serving.record.shipper.shipper import Shipper
    from customer_risk.serving.telemetry.logs import LogSettings

    outbox, record = tmp_path / "outbox", tmp_path / "outbox" / "shipped"
    shutil.copytree(recorded, outbox)
    config = RecordSettings(enabled=True, folder=str(outbox)).shipper_config(LogSettings())

    def ship() -> None:
        shipper = Shipper(config)
        shipper.ending.begin(600)
        shipper.run()

    ship()
    assert "60 records" in run("verify", "--from", record, "--outbox", outbox).output
    shutil.rmtree(record)
    ship()
    assert not list(record.rglob("*.parquet"))
    assert run("reship", "--outbox", outbox, "--sink", "folder", "--yes").exit_code == 0
    ship()
    verified = run("verify", "--from", record, "--outbox", outbox)
    assert verified.exit_code == 0
    assert "60 records" in verified.output
    replayed = run("replay", "--since", "2027-01-15", "--from", record, "--registry", registry)
    assert replayed.stdout.splitlines()[-1].split()[-1] == "60"
