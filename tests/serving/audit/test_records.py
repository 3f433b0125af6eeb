"""Readers skip files and records that are damaged, removed or can't be decoded."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.audit.records import Records, read_all
from customer_risk.serving.record.outbox import records_file
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import encode
from customer_risk.serving.record.outbox.writer import Outbox


@pytest.fixture
def outbox(tmp_path) -> Path:
    """The folder of an outbox."""
    return tmp_path / "outbox"


def written(folder, bodies) -> None:
    """Write an outbox file with the given records."""
    made = Outbox(folder, most_bytes=10**8, file_bytes=10**7)
    for each in bodies:
        made.add(each)
    made.commit()
    made.close()
    time.sleep(0.002)  # a file's name has its time in milliseconds, which must differ


@pytest.fixture
def own(stored, tmp_path):
    """A copy of the stored record for one test, whose second segment can't be read."""
    shutil.copytree(stored, tmp_path / "own")
    segments = sorted((tmp_path / "own").rglob("*.parquet"), key=lambda path: int(path.name.split("-")[1]))
    segments[1].write_bytes(b"torn")
    return tmp_path / "own"


def test_records_behind_many_damaged_ones_are_read(samples, outbox) -> None:
    """Records are read after more damaged records in a row than one read covers."""
    written(outbox, (encode(samples.refusal(number)) for number in range(3000)))
    (file,) = find_files(outbox)
    data = bytearray(file.path.read_bytes())
    file.last()
    for number in range(500, 2700):
        data[file._starts[number]] ^= 1
    file.path.write_bytes(data)
    records = Records((), outbox)
    assert len(list(records.since())) == 800
    assert records.unreadable == 2200
    assert records.one(samples.refusal(2999).record_id) is not None


def test_a_file_that_the_shipper_removes_meanwhile_is_skipped(samples, outbox, monkeypatch) -> None:
    """If the shipper removes a file meanwhile, the other files are read."""
    for number in (1, 2):
        written(outbox, [encode(samples.refusal(number))])
    first = find_files(outbox)[0].path
    find = records_file.RecordsFile.last

    def last(file) -> int:
        first.unlink(missing_ok=True)
        return find(file)

    monkeypatch.setattr(records_file.RecordsFile, "last", last)
    assert [each.record.record_id for each in Records((), outbox).since()] == [samples.refusal(2).record_id]


def test_a_file_that_cannot_be_read_is_an_error(outbox, monkeypatch) -> None:
    """If a file exists and can't be read, the error names the file."""
    written(outbox, [b"x"])
    (file,) = find_files(outbox)

    def fail(_) -> int:
        raise PermissionError("not allowed")

    monkeypatch.setattr(records_file.RecordsFile, "last", fail)
    with pytest.raises(ConfigError, match="not allowed"):
        list(read_all(file))


@pytest.mark.parametrize("error", [ValueError, KeyError])
def test_a_record_that_cannot_be_decoded_is_counted(samples, outbox, monkeypatch, error) -> None:
    """A record whose decoding raises an error is counted, and the next record is read."""
    from customer_risk.serving.audit import records as module

    written(outbox, [b"broken", encode(samples.refusal(2))])
    decode = module.decode

    def raising(body: bytes):
        if body == b"broken":
            raise error("numbers")
        return decode(body)

    monkeypatch.setattr(module, "decode", raising)
    records = Records((), outbox)
    assert len(list(records.since())) == 1
    assert records.unreadable == 1


@pytest.mark.parametrize("command", ["list", "list a time", "export", "replay"])
def test_an_unreadable_segment_does_not_hide_the_others(run, own, records, registry, tmp_path, command) -> None:
    """An unreadable segment is named on standard error, all other records are read, and the exit code is 1."""
    record = records[0][0]
    words = {
        "list": ["list", "--customer", record.customer_id],
        "list a time": ["list", "--since", "2027-01-15"],
        "export": ["export", record.customer_id, "--to", tmp_path / "export"],
        "replay": ["replay", "--since", "2027-01-15", "--registry", registry],
    }[command]
    result = run(*words, "--from", own)
    assert result.exit_code == 1
    assert "0" * 32 + "-16-30-" in result.stderr
    assert "1 segment" in result.stderr
    if command == "replay":
        assert result.stdout.splitlines()[-1].split()[-1] == "45"
    elif command == "export":
        assert record.record_id in (tmp_path / "export" / "decisions.json").read_text()
    else:
        assert record.record_id in result.stdout


def test_a_decision_beside_an_unreadable_segment_is_shown(run, own, records) -> None:
    """A decision in another segment is shown; if a decision isn't found, the error counts the unreadable segments."""
    assert run("show", records[50][0].record_id, "--from", own).exit_code == 0
    result = run("show", records[20][0].record_id, "--from", own)
    assert isinstance(result.exception, ConfigError)
    assert "1 segment" in result.exception.problem
