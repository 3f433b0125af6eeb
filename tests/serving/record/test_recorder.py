"""Recording decisions before their answers are sent."""

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
    """The path of the outbox."""
    return tmp_path / "outbox"


@pytest.fixture
def outbox(folder):
    """An outbox with space."""
    made = Outbox(folder, most_bytes=10**8, file_bytes=10**7)
    yield made
    made.close()


@pytest.fixture
def answer(service, request_):
    """A decision."""
    return service.answer(json.dumps(request_).encode())


def records(folder):
    """Return all recorded records."""
    return [decode(kept.body) for file in find_files(folder) for kept in file.read(0, 10_000)]


def test_a_committed_decision_is_on_the_disk(outbox, folder, answer) -> None:
    """A committed decision is in the outbox, with its route, caller and trace."""
    trace = trace_of(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    recorder = Recorder(outbox, cpu="x")
    recorder.decided(answer, caller="pay", route="/ai/v1/risk", trace=trace, took=3)
    recorder.commit()
    (record,) = records(folder)
    assert (record.record_id, record.at, record.kind) == (answer.decision_id, answer.at, "decision")
    assert (record.route, record.caller, record.trace) == ("/ai/v1/risk", "pay", "0af7651916cd43dd8448eb211c80319c")
    assert record.customer_id == "c-1"
    assert record.history_complete


def test_an_incomplete_history_is_recorded_as_incomplete(outbox, folder, service, request_) -> None:
    """A history that the caller marks as incomplete is recorded as incomplete."""
    request_["history_complete"] = False
    recorder = Recorder(outbox, cpu="x")
    cut = service.answer(json.dumps(request_).encode())
    recorder.decided(cut, caller="", route="", trace=None, took=-1)
    recorder.commit()
    assert not records(folder)[0].history_complete


def test_customers_can_be_recorded_by_a_keyed_hash(outbox, folder, answer) -> None:
    """With a key, the record has a hash of the customer's id."""
    recorder = Recorder(outbox, cpu="x", key=b"k" * 32)
    recorder.decided(answer, caller="", route="", trace=None, took=-1)
    recorder.commit()
    expected = hmac.new(b"k" * 32, b"c-1", hashlib.sha256).hexdigest()
    assert records(folder)[0].customer_id == f"hmac-sha256:{expected}"


def test_a_refusal_is_recorded_with_its_fields_names(outbox, folder) -> None:
    """A refused request is recorded with the names of its bad fields, without their values."""
    recorder = Recorder(outbox, cpu="x")
    error = InputError(tuple(BadField(f"/a/{i}", "expected a marker") for i in range(30)))
    recorder.refused(error, caller="pay", route="/r", trace=None)
    recorder.commit()
    (record,) = records(folder)
    assert (record.kind, record.status, record.problem, len(record.pointers)) == ("refusal", 422, "bad-fields", 20)
    assert b"marker" not in msgspec.msgpack.encode(record)


def test_a_request_without_a_valid_token_is_not_recorded(outbox, folder) -> None:
    """A request that is refused for its token isn't recorded."""
    Recorder(outbox, cpu="x").refused(Forbidden("No.", remedy="."), caller="", route="", trace=None)
    outbox.commit()
    assert records(folder) == []


def test_refusals_take_at_most_their_share(outbox, folder, monkeypatch) -> None:
    """Refusals take at most their share of the outbox."""
    monkeypatch.setattr("customer_risk.serving.record.recorder._FREE_BYTES", 10_000)
    recorder = Recorder(outbox, cpu="x", refusal_share=0.5)
    for _ in range(1000):
        recorder.refused(MalformedBody("No.", remedy="."), caller="", route="", trace=None)
    recorder.commit()
    kept = sum(len(msgspec.msgpack.encode(record)) for record in records(folder))
    assert 9_000 < kept < 11_000


@pytest.fixture
def full(folder):
    """An outbox without space."""
    made = Outbox(folder, most_bytes=1, file_bytes=1)
    yield made
    made.close()


def test_an_unrecordable_decision_is_refused(full, answer) -> None:
    """By default, a decision that can't be recorded raises RecordUnavailable."""
    with pytest.raises(RecordUnavailable):
        Recorder(full, cpu="x").decided(answer, caller="", route="", trace=None, took=-1)


def test_an_unrecordable_decision_is_answered_if_allowed(full, answer) -> None:
    """If the settings allow it, unrecorded decisions are answered, and each is counted."""
    unrecorded = []
    recorder = Recorder(full, cpu="x", refuse=False, unrecorded=lambda: unrecorded.append(1))
    recorder.decided(answer, caller="", route="", trace=None, took=-1)
    recorder.commit()
    assert len(unrecorded) == 1


def test_a_refusal_that_cant_be_recorded_stays_a_refusal(full) -> None:
    """A refusal that can't be recorded is counted and stays a refusal."""
    unrecorded = []
    recorder = Recorder(full, cpu="x", unrecorded=lambda: unrecorded.append(1))
    recorder.refused(MalformedBody("No.", remedy="."), caller="", route="", trace=None)
    assert len(unrecorded) == 1


@pytest.mark.parametrize("refuse", [True, False])
def test_a_failed_commit_raises_or_is_counted(outbox, folder, answer, refuse) -> None:
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


def test_recording_is_off_by_default() -> None:
    """Recording is off by default."""
    assert recording(RecordSettings(), lambda: None) is None


def test_settings_make_a_recorder(folder, answer) -> None:
    """The settings make a recorder, in each process."""
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
    """Settings that can't be used raise ConfigError at the start."""
    (tmp_path / "short").write_text("k" * 31)
    given = {"folder": str(tmp_path / "outbox")} | settings
    if "key_file" in given:
        given["key_file"] = str(tmp_path / given["key_file"])
    with pytest.raises(ConfigError, match=named):
        recording(RecordSettings(enabled=True, **given), lambda: None)
