"""The commands of `customer-risk audit` that only read, in this process."""

from __future__ import annotations

import json
import shutil

import msgspec
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.cli.audit import audit
from customer_risk.serving.record.outbox.record import encode
from customer_risk.serving.record.outbox.writer import Outbox


@pytest.fixture
def own(stored, tmp_path):
    """A copy of the stored record, which the test may change."""
    shutil.copytree(stored, tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture
def altered(records, tmp_path):
    """An outbox with two decisions; the recorded action of one differs from the action that was decided."""
    outbox = Outbox(tmp_path / "altered", most_bytes=10**8, file_bytes=10**7)
    (record, names), (second, second_names) = records[1], records[2]
    outbox.add(encode(msgspec.structs.replace(record, action="other")), names, record.names)
    outbox.add(encode(second), second_names, second.names)
    outbox.commit()
    outbox.close()
    return tmp_path / "altered"


def test_every_command_has_help(run) -> None:
    """Each command has a help text."""
    for name in audit.commands:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.output


@pytest.mark.parametrize("place", ["--from", "--outbox"])
def test_a_decision_is_shown(run, records, recorded, stored, place) -> None:
    """A decision is shown by its id, from a sink or from the outbox."""
    record, names = next(each for each in records if each[0].encoded and each[0].reasons)
    result = run("show", record.record_id, place, stored if place == "--from" else recorded)
    assert result.exit_code == 0
    for part in (record.record_id, record.segment, record.reasons[0].investigator_text, record.model_version, *names):
        assert part in result.output


def test_a_complete_decision_is_shown_as_json(run, records, stored) -> None:
    """With --json, a decision is printed as sinks store it."""
    record, names = records[5]
    result = run("show", record.record_id, "--from", stored, "--json")
    shown = json.loads(result.stdout)
    assert shown["decision_id"] == record.record_id
    assert [each["name"] for each in shown["features"]] == list(names)


def test_transactions_are_shown(run, service, request_, tmp_path) -> None:
    """Transactions are shown as sent, without fields that no feature uses."""
    from customer_risk.serving.record.recorder import Recorder

    request_["transactions"][2]["type"] = "LEASING"
    answer = service.answer(json.dumps(request_).encode())
    recorder = Recorder(Outbox(tmp_path, most_bytes=10**8, file_bytes=10**7), cpu="x")
    recorder.decided(answer, caller="pay", route="/ai/v1/risk", trace=None, took=3)
    recorder.commit()
    recorder.close()
    shown = run("show", answer.decision_id, "--outbox", tmp_path, "--transactions").output
    sent = request_["transactions"]
    lines = [line.split() for line in shown.splitlines() if line.endswith(".50")]
    assert [line[-1] for line in lines] == [f"{each['amount']:.2f}" for each in sent]
    assert [line[-2] for line in lines] == [each["direction"] for each in sent]
    assert [line[-3] for line in lines] == ["another" if each["type"] == "LEASING" else each["type"] for each in sent]
    assert [line[1] for line in lines] == [each["created_at"] for each in sent]
    assert len(lines[3]) == 6  # no time of completion


def test_given_features_have_no_transactions(run, records, recorded) -> None:
    """For a decision on given features, the output says that there are no transactions."""
    record = next(record for record, _ in records if record.source == "model" and not record.encoded)
    assert "had features instead" in run("show", record.record_id, "--outbox", recorded, "--transactions").output


def test_a_refusal_is_shown(run, samples, tmp_path) -> None:
    """A refusal is shown with its problem and the fields' names."""
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**8, file_bytes=10**7)
    outbox.add(encode(samples.refusal(1)))
    outbox.commit()
    outbox.close()
    result = run("show", samples.refusal(1).record_id, "--outbox", tmp_path / "outbox")
    assert "invalid-input" in result.output
    assert "/transactions/3/amount" in result.output


def test_an_unknown_decision_is_an_error(run, stored, recorded) -> None:
    """For an unknown decision, the error says where else it may be."""
    result = run("show", "0198a1b2-c3d4-7e5f-8a9b-000000000000", "--from", stored, "--outbox", recorded)
    assert isinstance(result.exception, ConfigError)
    assert "--outbox" in result.exception.remedy


@pytest.mark.parametrize("command", [["show", "x"], ["replay", "x"], ["list", "--customer", "c-1"], ["verify"]])
def test_a_place_of_the_record_is_required(run, command) -> None:
    """Without a place, the command is refused."""
    assert isinstance(run(*command).exception, ConfigError)


@pytest.mark.parametrize("option", ["--from", "--outbox"])
def test_a_missing_folder_is_an_error(run, tmp_path, option) -> None:
    """A missing folder is an error, not an empty record."""
    result = run("show", "x", option, tmp_path / "nowhere")
    assert "nowhere" in result.exception.problem


def test_a_customers_decisions_are_listed(run, records, stored, recorded) -> None:
    """A customer's decisions in the outbox and the segments are listed once each; other customers' decisions aren't."""
    expected = [record.record_id for record, _ in records if record.customer_id == "c-7"]
    result = run("list", "--customer", "c-7", "--from", stored, "--outbox", recorded)
    lines = result.stdout.splitlines()[1:]
    assert [line.split()[1] for line in lines] == sorted(expected)
    assert len(expected) == 2


def test_decisions_are_listed_from_a_time_on(run, records, stored) -> None:
    """Earlier decisions are left out."""
    result = run("list", "--since", "2027-01-15T08:00:05Z", "--from", stored)
    first = 1_800_000_005_000_000
    assert len(result.stdout.splitlines()) - 1 == sum(record.at >= first for record, _ in records)


def test_hashed_customers_are_found_with_the_key(run, records, tmp_path) -> None:
    """With the key, a customer of a record with hashed ids is found by the plain id."""
    import hashlib
    import hmac

    key = b"k" * 32
    (tmp_path / "key").write_bytes(key)
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**8, file_bytes=10**7)
    record, names = records[0]
    hashed = f"hmac-sha256:{hmac.new(key, b'c-0', hashlib.sha256).hexdigest()}"
    outbox.add(encode(msgspec.structs.replace(record, customer_id=hashed)), names, record.names)
    outbox.commit()
    outbox.close()
    result = run("list", "--customer", "c-0", "--key-file", tmp_path / "key", "--outbox", tmp_path / "outbox")
    assert record.record_id in result.output
    assert record.record_id not in run("list", "--customer", "c-0", "--outbox", tmp_path / "outbox").output


def test_a_listing_needs_a_customer_or_a_time(run, stored) -> None:
    """A listing without a customer or a time is refused."""
    assert run("list", "--from", stored).exit_code == 2


def test_a_decision_replays(run, records, stored, registry) -> None:
    """A decision is replayed by its id, and the standard is printed."""
    result = run("replay", records[9][0].record_id, "--from", stored, "--registry", registry)
    assert result.exit_code == 0
    assert "bit for bit" in result.output


def test_all_decisions_since_a_time_replay(run, stored, registry) -> None:
    """All decisions since a time replay, by both bundles and by rules."""
    result = run("replay", "--since", "2027-01-15", "--from", stored, "--registry", registry)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].split() == ["same", "bit", "for", "bit", "60"]


def test_a_folder_replaces_the_registry(run, records, recorded, bundle) -> None:
    """A bundle's folder may be given instead of a registry."""
    record = next(record for record, _ in records if record.source == "model")
    assert run("replay", record.record_id, "--outbox", recorded, "--bundle", bundle).exit_code == 0


def test_a_sample_is_drawn(run, stored, registry) -> None:
    """A sample has the given size."""
    result = run("replay", "--sample", 7, "--from", stored, "--registry", registry)
    assert result.stdout.splitlines()[-1].split()[-1] == "7"


def test_a_sample_can_be_drawn_again(records) -> None:
    """The same seed draws the same sample, other seeds draw others, and every decision can be drawn."""
    from customer_risk.serving.audit.commands import _drawn
    from customer_risk.serving.audit.records import StoredRecord

    told = [StoredRecord(*each) for each in records]
    draws = [_drawn(told, 10, seed) for seed in range(40)]
    assert _drawn(told, 10, 0) == draws[0]
    assert draws[0] != draws[1]
    assert {each.record.record_id for draw in draws for each in draw} == {each.record.record_id for each in told}


def test_a_difference_ends_with_1(run, records, altered, registry) -> None:
    """A difference ends with exit code 1 and a table of the decision, the field and both values."""
    result = run("replay", "--since", "2027-01-15", "--outbox", altered, "--registry", registry)
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if line.startswith(records[1][0].record_id)]
    assert line.split() == [records[1][0].record_id, "action", "other", records[1][0].action]


def test_a_missing_bundle_ends_with_3(run, records, recorded) -> None:
    """A decision whose bundle is missing ends with exit code 3."""
    record = next(record for record, _ in records if record.source == "model")
    result = run("replay", record.record_id, "--outbox", recorded)
    assert result.exit_code == 3
    assert "--registry isn't given" in result.output


def test_unreadable_records_end_with_1(run, altered, registry) -> None:
    """Records that can't be read are counted, with exit code 1."""
    outbox = Outbox(altered, most_bytes=10**8, file_bytes=10**7)
    outbox.add(b"\xc1")
    outbox.commit()
    outbox.close()
    result = run("replay", "--since", "2028-01-01", "--outbox", altered, "--registry", registry)
    assert result.exit_code == 1
    assert "1 record can't be read" in result.output


@pytest.mark.parametrize("words", [[], ["x", "--sample", "3"], ["x", "--since", "2027-01-01"]])
def test_an_id_cant_be_combined_with_a_time_or_a_sample(run, stored, words) -> None:
    """An id can't be combined with a time or a sample."""
    assert run("replay", *words, "--from", stored).exit_code == 2


def test_an_invalid_time_is_a_usage_error(run, stored) -> None:
    """An invalid time is a usage error."""
    result = run("list", "--since", "yesterday", "--from", stored)
    assert result.exit_code == 2
    assert "2026-03-01" in result.output


def test_an_unchanged_record_verifies(run, stored) -> None:
    """An unchanged record verifies."""
    result = run("verify", "--from", stored)
    assert result.exit_code == 0
    assert "4 segments with 60 records" in result.output


def test_an_altered_segment_is_named(run, own) -> None:
    """An altered segment is named, with exit code 1."""
    segment = sorted(own.rglob("*.parquet"))[2]
    segment.write_bytes(segment.read_bytes() + b" ")
    result = run("verify", "--from", own)
    assert result.exit_code == 1
    assert segment.name in result.output


def test_the_outbox_reveals_a_shortened_chain(run, own, tmp_path) -> None:
    """With the outbox, verification finds that the last segment and its manifest were removed."""
    from customer_risk.serving.record.shipper.progress import Plan, Progress
    from customer_risk.serving.record.sinks.folder import LocalObjects
    from customer_risk.serving.record.sinks.manifest import encode as chained
    from customer_risk.serving.record.sinks.manifest import end_of

    (tmp_path / "outbox").mkdir()
    progress = Progress(tmp_path / "outbox")
    (own / "manifest" / ("a" * 32)).rename(own / "manifest" / progress.shipper)
    plan = Plan("0" * 32, 1, 60, (), b"")
    progress.intend("folder", plan)
    progress.settle("folder", plan, chained(end_of(LocalObjects(own), progress.shipper)))
    progress.close()
    asked = ("verify", "--from", own, "--outbox", tmp_path / "outbox")
    assert run(*asked).exit_code == 0
    max(own.rglob("*.parquet")).unlink()
    max((own / "manifest").rglob("*.json")).unlink()
    assert run("verify", "--from", own).exit_code == 0
    assert "it is missing" in run(*asked).output
