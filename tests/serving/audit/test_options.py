"""The places that the audit commands read, according to a server's configuration."""

from __future__ import annotations

import shutil

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.decisions.fallback.ruleset import load_rules


def test_a_configuration_names_every_place(run, config, records, registry) -> None:
    """Records that are in the outbox and in the folder are read once."""
    result = run("replay", "--since", "2027-01-15", "--config", config, "--registry", registry)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].split()[-1] == "60"
    assert "60 records" in run("verify", "--config", config).output
    assert records[3][0].record_id in run("show", records[3][0].record_id, "--config", config).output


def test_shipped_records_are_read_without_the_outbox(run, config, records, tmp_path) -> None:
    """If the outbox isn't on this machine, the shipped records are read."""
    shutil.rmtree(tmp_path / "outbox")
    assert run("show", records[3][0].record_id, "--config", config).exit_code == 0


def test_an_erasure_reads_every_place(run, config) -> None:
    """An erasure reads every place of the configuration."""
    result = run("erase", "c-7", "--config", config, "--by", "dpo", "--why", "request 12", "--yes")
    assert result.exit_code == 1
    assert "segments replaced" in result.output
    assert "records of this customer stay" in result.output


def test_without_a_sink_the_default_is_read(run, stored, records, tmp_path) -> None:
    """Without a sink in the configuration, the outbox's folder `shipped` is read."""
    shutil.copytree(stored, tmp_path / "outbox" / "shipped")
    (tmp_path / "serving.yaml").write_text(f"record: {{enabled: true, folder: {tmp_path}/outbox}}\n")
    assert run("show", records[3][0].record_id, "--config", tmp_path / "serving.yaml").exit_code == 0


def test_rules_of_the_configuration_are_used_for_replays(run, config, records, tmp_path) -> None:
    """Decisions by the configuration's rules are replayed with them."""
    import msgspec
    import yaml

    from customer_risk.serving.record.outbox.record import encode
    from customer_risk.serving.record.outbox.writer import Outbox

    rules = msgspec.structs.replace(load_rules(), medium_from=0.5)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(msgspec.to_builtins(rules)))
    record, names = next(each for each in records if each[0].source == "rules")
    shutil.rmtree(tmp_path / "outbox")
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**8, file_bytes=10**7)
    outbox.add(encode(msgspec.structs.replace(record, model_version=rules.version)), names, record.names)
    outbox.commit()
    outbox.close()
    asked = ("replay", record.record_id, "--config", config)
    assert run(*asked).exit_code == 3
    config.write_text(f"{config.read_text()}rules: {{file: {tmp_path}/rules.yaml}}\n")
    assert run(*asked).exit_code in {0, 1}


def test_a_server_that_doesnt_record_has_no_record(run, tmp_path) -> None:
    """A configuration without a record is refused, with the name of the setting."""
    (tmp_path / "serving.yaml").write_text("{}\n")
    result = run("show", "x", "--config", tmp_path / "serving.yaml")
    assert isinstance(result.exception, ConfigError)
    assert "record.folder" in result.exception.problem


def test_customers_are_hashed_as_the_configuration_says(run, records, tmp_path) -> None:
    """With a configured key, a listing takes the plain id."""
    import hashlib
    import hmac

    import msgspec

    from customer_risk.serving.record.outbox.record import encode
    from customer_risk.serving.record.outbox.writer import Outbox

    (tmp_path / "key").write_bytes(b"k" * 32)
    record, names = records[0]
    hashed = f"hmac-sha256:{hmac.new(b'k' * 32, b'c-0', hashlib.sha256).hexdigest()}"
    outbox = Outbox(tmp_path / "outbox", most_bytes=10**8, file_bytes=10**7)
    outbox.add(encode(msgspec.structs.replace(record, customer_id=hashed)), names, record.names)
    outbox.commit()
    outbox.close()
    (tmp_path / "serving.yaml").write_text(
        f"record: {{enabled: true, folder: {tmp_path}/outbox, customer_id: hashed, key_file: {tmp_path}/key}}\n"
    )
    listed = run("list", "--customer", "c-0", "--config", tmp_path / "serving.yaml")
    assert record.record_id in listed.output


def test_init_checks_and_names_each_sink(run, config) -> None:
    """`init` checks and names each sink."""
    result = run("init", "--config", config)
    assert result.exit_code == 0
    assert "folder: ready" in result.output


def test_a_sink_that_cant_be_used_is_named(run, config, tmp_path) -> None:
    """`init` names a sink that can't be used."""
    shutil.rmtree(tmp_path / "record")
    (tmp_path / "record").write_text("no folder")
    assert isinstance(run("init", "--config", config).exception, ConfigError)


@pytest.mark.parametrize(
    "words",
    [
        ["show", "\udcff"],
        ["list", "--customer", "\udcff"],
        ["replay", "\udcff"],
        ["export", "\udcff", "--to", "export"],
        ["erase", "\udcff", "--why", "x", "--yes"],
        ["erase", "c-1", "--why", "\udcff", "--yes"],
        ["list", "--customer", "c-1", "--by", "\udcff"],
    ],
    ids=lambda words: words[0],
)
def test_bytes_that_are_not_text_are_refused(run, stored, words) -> None:
    """An argument that isn't valid UTF-8 is named, and nothing is read or changed."""
    result = run(*words, "--from", stored)
    assert isinstance(result.exception, ConfigError)
    assert "\\udcff is not valid UTF-8 text" in result.exception.problem
    assert result.stdout == ""
