"""An export has all data that the record has on a person."""

from __future__ import annotations

import json
import shutil
import stat

import msgspec
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.audit.options import hash_customer
from customer_risk.serving.record.outbox.record import encode
from customer_risk.serving.record.outbox.writer import Outbox


def test_all_places_are_read(run, config, records, tmp_path) -> None:
    """An export has each of the customer's decisions once, with the places that store it, and no other customer's."""
    result = run("export", "c-7", "--config", config, "--to", tmp_path / "export")
    assert result.exit_code == 0
    assert "2 decisions of c-7" in result.stdout
    whole = json.loads((tmp_path / "export" / "decisions.json").read_text())
    theirs = [record for record, _ in records if record.customer_id == "c-7"]
    assert [each["record"]["decision_id"] for each in whole["decisions"]] == [each.record_id for each in theirs]
    assert whole["places"] == [str(tmp_path / "record"), str(tmp_path / "outbox")]
    assert all(each["places"] == whole["places"] for each in whole["decisions"])
    assert "other pods' outboxes" in whole["not_searched"]


def test_an_export_has_words_instead_of_codes(run, records, stored, tmp_path) -> None:
    """Both files have the profile and the transactions in words."""
    record = next(record for record, _ in records if record.encoded and record.reasons)
    run("export", record.customer_id, "--from", stored, "--to", tmp_path / "export")
    whole = json.loads((tmp_path / "export" / "decisions.json").read_text())
    (shown,) = [each for each in whole["decisions"] if each["record"]["decision_id"] == record.record_id]
    assert shown["input"]["profile"]["reason_to_use_app"] in {"TRAVEL_ACCOUNT", "CRYPTO_SERVICES"}
    assert shown["input"]["transactions"][0]["created"].startswith("2024-08-")
    assert shown["input"]["transactions"][0]["state"] in {"COMPLETED", "PENDING", "DECLINED"}
    text = (tmp_path / "export" / "decisions.txt").read_text()
    for part in (record.record_id, record.reasons[0].investigator_text, shown["input"]["profile"]["reason_to_use_app"]):
        assert part in text
    assert shown["input"]["transactions"][0]["created"] in text


def test_patterns_and_versions_are_exported(run, rule_records, tmp_path) -> None:
    """Both files have the patterns found, and the versions of the action rule and of the wordings."""
    record, names = next(each for each in rule_records if each[0].patterns)
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**8, file_bytes=10**7)
    outbox.add(encode(record), names, record.names)
    outbox.commit()
    outbox.close()
    run("export", record.customer_id, "--outbox", tmp_path / "outbox", "--to", tmp_path / "export")
    (decision,) = json.loads((tmp_path / "export" / "decisions.json").read_text())["decisions"]
    assert decision["record"]["patterns"] == [msgspec.to_builtins(each) for each in record.patterns]
    assert (decision["record"]["action_rule"], decision["record"]["wordings"]) == (2, 2)
    text = (tmp_path / "export" / "decisions.txt").read_text()
    for part in ("action rule   version 2", "wordings      version 2", record.patterns[0].investigator_text):
        assert part in text


def test_an_input_that_cant_be_unpacked_is_exported_unchanged(run, samples, tmp_path) -> None:
    """A decision whose input can't be unpacked is exported with the input's bytes."""
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**8, file_bytes=10**7)
    record = samples.record(1)
    outbox.add(encode(record), ("n_transactions", "share_crypto", "days_since_last"), record.names)
    outbox.commit()
    outbox.close()
    asked = ("export", record.customer_id, "--outbox", tmp_path / "outbox", "--to", tmp_path / "export")
    assert run(*asked).exit_code == 0
    (shown,) = json.loads((tmp_path / "export" / "decisions.json").read_text())["decisions"]
    assert shown["input"] is None
    assert shown["record"]["encoded"]
    assert "can't be read" in (tmp_path / "export" / "decisions.txt").read_text()


def test_only_its_user_can_read_an_export(run, stored, tmp_path) -> None:
    """Only the user who runs the export can read its files."""
    run("export", "c-7", "--from", stored, "--to", tmp_path / "export")
    for path in ((tmp_path / "export"), *(tmp_path / "export").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_folder_that_exists_is_not_written_to(run, stored, tmp_path) -> None:
    """An export to an existing folder is refused, since another person's export may be in it."""
    result = run("export", "c-7", "--from", stored, "--to", tmp_path)
    assert isinstance(result.exception, ConfigError)


def test_places_that_differ_are_both_written(run, config, records, tmp_path) -> None:
    """If two places have different records of a decision, both are exported."""
    shutil.rmtree(tmp_path / "outbox")
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**8, file_bytes=10**7)
    record, names = next(each for each in records if each[0].customer_id == "c-7")
    outbox.add(encode(msgspec.structs.replace(record, action="other")), names, record.names)
    outbox.commit()
    outbox.close()
    run("export", "c-7", "--config", config, "--to", tmp_path / "export")
    whole = json.loads((tmp_path / "export" / "decisions.json").read_text())
    same = [each for each in whole["decisions"] if each["record"]["decision_id"] == record.record_id]
    assert sorted(each["record"]["action"] for each in same) == sorted([record.action, "other"])


@pytest.mark.parametrize("customer", ["", "erased"])
def test_an_empty_id_and_erased_are_refused(run, stored, tmp_path, customer) -> None:
    """An empty id and `erased` are refused: they are not a customer's id."""
    result = run("export", customer, "--from", stored, "--to", tmp_path / "export")
    assert isinstance(result.exception, ConfigError)
    assert not (tmp_path / "export").exists()


@pytest.fixture
def rotated(records, tmp_path):
    """Records of one customer with the plain id and its hashes by two keys, and a configuration with both keys."""
    keys = {"newest": b"n" * 32, "old": b"o" * 32}
    for name, key in keys.items():
        (tmp_path / name).write_bytes(key)
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**8, file_bytes=10**7)
    ids = ["c-0", hash_customer(keys["old"], "c-0"), hash_customer(keys["newest"], "c-0"), "another"]
    for (record, names), customer in zip(records, ids, strict=False):
        outbox.add(encode(msgspec.structs.replace(record, customer_id=customer)), names, record.names)
    outbox.commit()
    outbox.close()
    path = tmp_path / "serving.yaml"
    path.write_text(
        f"record: {{enabled: true, folder: {tmp_path}/outbox, customer_id: hashed, key_file: {tmp_path}/newest, "
        f"older_key_files: [{tmp_path}/old]}}\n"
    )
    return path


def test_look_ups_try_every_key_and_the_plain_id(run, rotated, records, tmp_path) -> None:
    """Look-ups find records with the newest key's hash, with an older key's hash and with the plain id."""
    listed = run("list", "--customer", "c-0", "--config", rotated).stdout
    assert [record.record_id in listed for record, _ in records[:4]] == [True, True, True, False]
    keys = ("--key-file", tmp_path / "newest", "--key-file", tmp_path / "old")
    assert run("list", "--customer", "c-0", "--outbox", tmp_path / "outbox", *keys).stdout == listed
    run("export", "c-0", "--config", rotated, "--to", tmp_path / "export")
    whole = json.loads((tmp_path / "export" / "decisions.json").read_text())
    assert len(whole["decisions"]) == len(whole["recorded_as"]) == 3


@pytest.mark.usefixtures("rotated")
def test_erasures_try_every_key_and_the_plain_id(run, records, tmp_path) -> None:
    """Each id of the customer has an erasure of its own, and no record of the customer is found afterwards."""
    from customer_risk.serving.record.settings import RecordSettings
    from customer_risk.serving.record.shipper.shipper import Shipper
    from customer_risk.serving.telemetry.logs import LogSettings

    shipper = Shipper(RecordSettings(enabled=True, folder=str(tmp_path / "outbox")).shipper_config(LogSettings()))
    shipper.ending.begin(600)
    shipper.run()
    shipped = tmp_path / "outbox" / "shipped"
    keys = ("--key-file", tmp_path / "newest", "--key-file", tmp_path / "old")
    asked = ("--from", shipped, *keys)
    assert run("erase", "c-0", *asked, "--by", "dpo", "--why", "request 12", "--yes").exit_code == 0
    assert len(list((shipped / "erasures").iterdir())) == 3
    assert run("list", "--customer", "c-0", *asked).stdout.splitlines()[1:] == []
    assert run("verify", "--from", shipped).exit_code == 0
    assert records[3][0].record_id in run("list", "--since", "2027-01-15", "--from", shipped).stdout


def test_new_records_are_hashed_with_the_newest_key(rotated) -> None:
    """Older keys are only used for look-ups."""
    from customer_risk.serving.settings import load_settings

    record = load_settings(rotated, server={}).record
    assert record.key() == b"n" * 32
    assert record.keys() == (b"n" * 32, b"o" * 32)


@pytest.mark.parametrize("content", [None, b"short"])
def test_an_invalid_older_key_is_refused(rotated, run, tmp_path, content) -> None:
    """An older key that is missing or too short is refused, since look-ups would miss records."""
    (tmp_path / "old").unlink()
    if content is not None:
        (tmp_path / "old").write_bytes(content)
    result = run("list", "--customer", "c-0", "--config", rotated)
    assert isinstance(result.exception, ConfigError)
    assert "record.older_key_files" in str(result.exception)
