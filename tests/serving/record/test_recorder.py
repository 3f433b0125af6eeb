"""Recording decisions before their answers leave."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import msgspec
import pytest

from customer_risk.model.errors import BadField, ConfigError, InputError
from customer_risk.serving.contract.trace import trace_of
from customer_risk.serving.errors import Forbidden, MalformedBody, RecordUnavailable
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import decode
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.recorder import Recorder, recording
from customer_risk.serving.record.settings import RecordSettings


@pytest.fixture
def folder(tmp_path):
    """Where the outbox is."""
    return tmp_path / "outbox"


@pytest.fixture
def outbox(folder):
    """An outbox with room."""
    made = Outbox(folder, most_bytes=10**8, file_bytes=10**7)
    yield made
    made.close()


@pytest.fixture
def answer(service, request_):
    """A decision."""
    return service.answer(json.dumps(request_).encode())


def records(folder):
    """All that was recorded."""
    return [decode(kept.body) for file in find_files(folder) for kept in file.read(0, 10_000)]


def test_a_settled_decision_is_on_the_disk(outbox, folder, answer) -> None:
    """With the way in, the caller and the trace."""
    trace = trace_of(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    recorder = Recorder(outbox, cpu="x")
    recorder.decided(answer, caller="pay", route="/ai/v1/risk", trace=trace, took=3)
    recorder.commit()
    (record,) = records(folder)
    assert (record.record_id, record.at, record.kind) == (answer.decision_id, answer.at, "decision")
    assert (record.route, record.caller, record.trace) == ("/ai/v1/risk", "pay", "0af7651916cd43dd8448eb211c80319c")
    assert record.customer_id == "c-1"
    assert record.history_complete


def test_a_cut_history_is_kept_as_one(outbox, folder, service, request_) -> None:
    """By the caller's word."""
    request_["history_complete"] = False
    recorder = Recorder(outbox, cpu="x")
    cut = service.answer(json.dumps(request_).encode())
    recorder.decided(cut, caller="", route="", trace=None, took=-1)
    recorder.commit()
    assert not records(folder)[0].history_complete


def test_customers_can_be_kept_by_a_keyed_hash(outbox, folder, answer) -> None:
    """Only who has the key can look one up."""
    recorder = Recorder(outbox, cpu="x", key=b"k" * 32)
    recorder.decided(answer, caller="", route="", trace=None, took=-1)
    recorder.commit()
    expected = hmac.new(b"k" * 32, b"c-1", hashlib.sha256).hexdigest()
    assert records(folder)[0].customer_id == f"hmac-sha256:{expected}"


def test_a_refused_input_is_kept_by_its_fields_names(outbox, folder) -> None:
    """Never by what they held."""
    recorder = Recorder(outbox, cpu="x")
    error = InputError(tuple(BadField(f"/a/{i}", "expected a marker") for i in range(30)))
    recorder.refused(error, caller="pay", route="/r", trace=None)
    recorder.commit()
    (record,) = records(folder)
    assert (record.kind, record.status, record.problem, len(record.pointers)) == ("refusal", 422, "bad-fields", 20)
    assert b"marker" not in msgspec.msgpack.encode(record)


def test_who_may_not_ask_leaves_no_record(outbox, folder) -> None:
    """That is counted, and anybody could fill a disk with it."""
    Recorder(outbox, cpu="x").refused(Forbidden("No.", remedy="."), caller="", route="", trace=None)
    outbox.commit()
    assert records(folder) == []


def test_refusals_take_no_more_than_their_share(outbox, folder, monkeypatch) -> None:
    """Whoever sends nonsense all day fills no disk."""
    monkeypatch.setattr("customer_risk.serving.record.recorder._FREE_BYTES", 10_000)
    recorder = Recorder(outbox, cpu="x", refusal_share=0.5)
    for _ in range(1000):
        recorder.refused(MalformedBody("No.", remedy="."), caller="", route="", trace=None)
    recorder.commit()
    kept = sum(len(msgspec.msgpack.encode(record)) for record in records(folder))
    assert 9_000 < kept < 11_000


@pytest.fixture
def full(folder):
    """An outbox without room."""
    made = Outbox(folder, most_bytes=1, file_bytes=1)
    yield made
    made.close()


def test_what_cant_be_recorded_isnt_given(full, answer) -> None:
    """By default: an auditor would find nothing of it."""
    with pytest.raises(RecordUnavailable):
        Recorder(full, cpu="x").decided(answer, caller="", route="", trace=None, took=-1)


def test_what_cant_be_recorded_is_given_and_counted_where_the_settings_say_so(full, answer) -> None:
    """One by one."""
    unrecorded = []
    recorder = Recorder(full, cpu="x", refuse=False, unrecorded=lambda: unrecorded.append(1))
    recorder.decided(answer, caller="", route="", trace=None, took=-1)
    recorder.commit()
    assert len(unrecorded) == 1


def test_a_refusal_that_cant_be_recorded_stays_a_refusal(full) -> None:
    """It is counted, and its caller hears what was wrong."""
    unrecorded = []
    recorder = Recorder(full, cpu="x", unrecorded=lambda: unrecorded.append(1))
    recorder.refused(MalformedBody("No.", remedy="."), caller="", route="", trace=None)
    assert len(unrecorded) == 1


@pytest.mark.parametrize("refuse", [True, False])
def test_a_commit_that_fails_is_told_or_counted(outbox, folder, answer, refuse) -> None:
    """If the file was removed before the commit, the commit raises, or the decision is counted as unrecorded."""
    unrecorded = []
    recorder = Recorder(outbox, cpu="x", refuse=refuse, unrecorded=lambda: unrecorded.append(1))
    for _ in range(3):
        recorder.decided(answer, caller="", route="", trace=None, took=-1)
    (file,) = find_files(folder)
    file.remove()
    deadline = time.monotonic() + 600
    while not recorder.failing:  # the outbox checks its file once a second
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if refuse:
        with pytest.raises(RecordUnavailable):
            recorder.commit()
    else:
        recorder.commit()
    assert len(unrecorded) == (0 if refuse else 3)
    assert (recorder.failing, recorder.ready) == (True, not refuse)


def test_nothing_is_recorded_unless_asked_for() -> None:
    """Off by default."""
    assert recording(RecordSettings(), lambda: None) is None


def test_settings_make_a_recorder(folder, answer) -> None:
    """In each process anew."""
    recorder = recording(RecordSettings(enabled=True, folder=str(folder)), lambda: None)()
    recorder.decided(answer, caller="", route="", trace=None, took=-1)
    recorder.commit()
    recorder.close()
    assert len(records(folder)) == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"folder": ""}, "record.folder"),
        ({"folder": "/proc/none"}, "record.folder"),
        ({"most_bytes": 10, "file_bytes": 5}, "record.file_bytes"),
        ({"customer_id": "hashed"}, "record.key_file"),
        ({"customer_id": "hashed", "key_file": "none"}, "record.key_file"),
        ({"customer_id": "hashed", "key_file": "short"}, "record.key_file"),
    ],
)
def test_settings_that_cant_be_used_are_named(tmp_path, settings, named) -> None:
    """At the start."""
    (tmp_path / "short").write_text("k" * 31)
    given = {"folder": str(tmp_path / "outbox")} | settings
    if "key_file" in given:
        given["key_file"] = str(tmp_path / given["key_file"])
    with pytest.raises(ConfigError, match=named):
        recording(RecordSettings(enabled=True, **given), lambda: None)
