"""Recorded text can't forge a line of a command's output, or send a command to the terminal."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.contract.answer import WireReason
from customer_risk.serving.record.outbox.record import document, encode
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.sinks.factory import open_sink
from customer_risk.serving.record.sinks.interface import Segment
from customer_risk.serving.record.sinks.parquet import Parquet
from customer_risk.serving.record.sinks.settings import FolderSettings

HOSTILE = "x\n2026-01-01T00:00:00Z  forged\x1b]52;c;cm0=\x07\x9b2J\u202e\u2028\x7f\r"
RAW = "\x1b\x07\x9b\u202e\u2028\x7f\r"


@pytest.fixture
def hostile(samples, tmp_path) -> Path:
    """A record in an outbox and a folder; each of its texts that a caller chooses would forge lines of output."""
    record, second = samples.record(1), samples.record(2)
    names = ("n_transactions", "share_crypto", HOSTILE)
    reason = dict.fromkeys(("code", "text", "feature", "unit", "investigator_text"), HOSTILE)
    reason |= {"direction": "raises", "value": 1.0, "contribution": 1.0, "share": 0.5}
    warning = type(samples.record(1).warnings[0])(HOSTILE, HOSTILE, HOSTILE)
    texts = dict.fromkeys(("route", "caller", "trace", "customer_id", "model", "cpu", "segment", "action"), HOSTILE)
    changed = texts | {
        "reasons": (WireReason(**reason),),
        "warnings": (warning,),
        "encoded": b"",
        "model_version": HOSTILE,
    }
    record = msgspec.structs.replace(record, **changed)
    refused = msgspec.structs.replace(samples.refusal(3), pointers=(HOSTILE,), problem=HOSTILE)
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**8, file_bytes=10**7)
    outbox.add(encode(record), names, record.names)
    outbox.add(encode(refused))
    outbox.commit()
    outbox.close()
    sink = open_sink(FolderSettings(path=str(tmp_path / "record")), "a" * 32)
    documents = [document(record, names), document(second, names), document(refused, ())]
    sink.write(Segment("0" * 32, 1, 3, documents), sink.place())
    return tmp_path


COMMANDS = {
    "show": ["show", "0198a1b2-c3d4-7e5f-8a9b-000000000001", "--transactions"],
    "show, JSON": ["show", "0198a1b2-c3d4-7e5f-8a9b-000000000001", "--json"],
    "show, a refusal": ["show", "0198a1b2-c3d4-7e5f-8a9b-000000000003"],
    "list": ["list", "--since", "2026-01-01"],
    "list, a customer": ["list", "--customer", HOSTILE],
    "replay": ["replay", "--since", "2026-01-01"],
    "verify": ["verify"],
    "export": ["export", HOSTILE, "--to", "EXPORT"],
    "erase": ["erase", HOSTILE, "--why", HOSTILE, "--yes"],
}


_OF_SHIPPED = {"verify", "erase"}  # commands that need shipped records
_PLACES = [(name, "record") for name in COMMANDS] + [(name, "outbox") for name in COMMANDS if name not in _OF_SHIPPED]


@pytest.mark.parametrize(("command", "place"), _PLACES)
def test_no_command_prints_recorded_text_raw(run, hostile, command, place) -> None:
    """Every command prints control characters of a record as escapes, from an outbox and from a folder."""
    if command == "verify":  # the names of objects are texts too
        key = next((hostile / "record").glob("dt=*/*/*.parquet"))
        shutil.copy(key, key.with_name(f"{HOSTILE}.parquet".replace("/", "")))
    words = [str(hostile / "export") if word == "EXPORT" else word for word in COMMANDS[command]]
    by = () if command == "verify" else ("--by", HOSTILE)
    result = run(*words, "--from" if place == "record" else "--outbox", hostile / place, *by)
    printed = result.output + str(result.exception or "")
    assert printed
    assert not set(RAW) & set(printed)
    assert not any(line.startswith("2026-01-01T00:00:00Z  forged") for line in printed.splitlines())
    if command == "export":
        for file in (hostile / "export").iterdir():
            text = file.read_text()
            assert not set(RAW) & set(text)
            assert "forged" in text
            assert not any(line.startswith("2026-01-01T00:00:00Z  forged") for line in text.splitlines())


def test_every_command_is_classified() -> None:
    """Every command is listed above, or in the set of commands that print no record."""
    from customer_risk.serving.cli.audit import audit as commands

    assert {each[0] for each in COMMANDS.values()} | {"init", "reship"} == set(commands.commands)


def test_an_unreadable_record_is_reported(run, samples, tmp_path) -> None:
    """A record that can't be read is reported, without its raw text."""
    sink = open_sink(FolderSettings(path=str(tmp_path / "record")), "a" * 32)
    (altered,) = samples.segment(1, 1).documents
    altered["reasons"][0]["direction"] = HOSTILE
    sink.write(samples.segment(1, 1), sink.place())
    (path,) = (tmp_path / "record").rglob("*.parquet")
    path.write_bytes(Parquet().encode([altered]))
    result = run("show", altered["decision_id"], "--from", tmp_path / "record")
    assert isinstance(result.exception, ConfigError)
    assert "can't be read" in str(result.exception)
    assert not set(RAW) & set(str(result.exception))


def test_errors_are_escaped(run, hostile) -> None:
    """Recorded text in errors is escaped."""
    result = run("show", f"y{HOSTILE}", "--from", hostile / "record")
    assert isinstance(result.exception, ConfigError)
    assert not set(RAW) & set(str(result.exception))
