"""Shippers write anchors to the log and to other places, and verification compares the chains with them."""

from __future__ import annotations

import json
import logging
import shutil

import msgspec
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.audit.anchors import read_anchors
from customer_risk.serving.cli.audit import audit
from customer_risk.serving.record.settings import RecordSettings
from customer_risk.serving.record.shipper.anchoring import Anchoring
from customer_risk.serving.record.shipper.settings import ShipSettings
from customer_risk.serving.record.shipper.shipper import Shipper
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.manifest import ERASURES, digest, encode, manifest_key
from customer_risk.serving.record.sinks.parquet import Parquet
from customer_risk.serving.record.sinks.proof import Salts, prove, salts_key
from customer_risk.serving.record.sinks.settings import FolderSettings
from customer_risk.serving.telemetry.logs import LogSettings, _Json


@pytest.fixture
def config(folder, tmp_path):
    """Settings of a shipper that writes anchors to a folder."""
    ship = ShipSettings(
        sinks=(FolderSettings(path=str(tmp_path / "record")),),
        anchors=(FolderSettings(path=str(tmp_path / "elsewhere")),),
    )
    return RecordSettings(enabled=True, folder=str(folder), ship=ship).shipper_config(LogSettings())


@pytest.fixture
def ship(config):
    """Return a function that ships all records of the outbox."""

    def shipped() -> None:
        shipper = Shipper(config)
        shipper.ending.begin(600)
        shipper.run()

    return shipped


@pytest.fixture
def record(outbox, put, ship, tmp_path, caplog):
    """A shipped record of four decisions, and the log lines in a file."""
    caplog.set_level(logging.INFO, "serving.record")
    put(outbox, range(1, 5))
    outbox.close()
    ship()
    lines = [_Json("%(message)s").format(each) for each in caplog.records]
    (tmp_path / "log").write_text("not JSON\n" + "\n".join(lines) + "\n")
    entries = [
        {"jsonPayload": {"message": "x"}, "labels": json.loads(each).get("logging.googleapis.com/labels")}
        for each in lines
    ]
    (tmp_path / "exported").write_text(json.dumps(entries))
    return tmp_path / "record"


@pytest.fixture
def verify(record):
    """Return a function that compares the record with anchors and returns the exit code and the output."""
    from click.testing import CliRunner

    def verified(anchor) -> tuple[int, str]:
        result = CliRunner().invoke(audit, ["verify", "--from", str(record), "--anchor", str(anchor)])
        return result.exit_code, result.output

    return verified


def write_anew(record) -> None:
    """Change a decision and rewrite every hash after it, as an insider with write access can."""
    objects = LocalObjects(record)
    (shipper,) = [path.name for path in (record / "manifest").iterdir()]
    manifest = msgspec.json.decode(objects.get(manifest_key(shipper, 0)))
    documents = [each | {"segment": "low"} for each in Parquet().decode(objects.get(manifest["key"]))]
    data = Parquet().encode(documents)
    key = manifest["key"].replace(manifest["key"][-24:-8], digest(data)[:16])
    salts = Salts.new()
    for path in ("dt=*", "salts", "manifest"):
        for found in record.glob(path):
            shutil.rmtree(found)
    objects.create(key, data)
    objects.create(salts_key(key), salts.encode())
    changes = {"key": key, "sha256": digest(data), "bytes": len(data), "proof": prove(documents, salts)}
    objects.create(manifest_key(shipper, 0), encode(manifest | changes))


@pytest.mark.parametrize("anchor", ["elsewhere", "log", "exported"])
def test_a_chain_written_anew_is_found_by_its_anchor(record, verify, tmp_path, anchor) -> None:
    """An anchor in a folder, in the shipper's log or in an export of Cloud Logging reveals a rewritten chain."""
    code, printed = verify(tmp_path / anchor)
    assert (code, "compared with" in printed) == (0, True)
    write_anew(record)
    from click.testing import CliRunner

    assert CliRunner().invoke(audit, ["verify", "--from", str(record)]).exit_code == 0
    code, printed = verify(tmp_path / anchor)
    assert code == 1
    assert "it differs from the anchor of" in printed


def test_a_chain_that_was_removed_is_found_by_its_anchor(record, verify, tmp_path) -> None:
    """An anchor reveals that all objects of the record were removed."""
    shutil.rmtree(record)
    record.mkdir()
    code, printed = verify(tmp_path / "elsewhere")
    assert code == 1
    assert "it is missing: the anchor of" in printed


@pytest.mark.usefixtures("record")
def test_anchors_of_another_record_are_an_error(verify, tmp_path) -> None:
    """If the anchors are of another record, verification says so with exit code 1."""
    (file,) = (tmp_path / "elsewhere" / "anchors").iterdir()
    other = json.loads(file.read_text()) | {"sink": "gcs"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "log").write_text(json.dumps({"labels": {"anchor": json.dumps(other)}}))
    code, printed = verify(tmp_path / "other" / "log")
    assert code == 1
    assert "has no anchor of" in printed


@pytest.mark.parametrize("content", ["", "{}", '{"labels": {"anchor": "{}"}}'])
def test_a_place_without_anchors_is_refused(tmp_path, content) -> None:
    """A place or a file without anchors is refused."""
    (tmp_path / "log").write_text(content)
    with pytest.raises(ConfigError):
        read_anchors(str(tmp_path / "log"))


@pytest.mark.usefixtures("record")
def test_an_altered_anchor_is_refused(tmp_path) -> None:
    """An anchor that isn't valid is refused by name."""
    (file,) = (tmp_path / "elsewhere" / "anchors").iterdir()
    file.write_text("{}")
    with pytest.raises(ConfigError, match="is not a valid anchor"):
        read_anchors(str(tmp_path / "elsewhere"))


def test_an_anchor_has_the_ends_of_both_chains(record, tmp_path) -> None:
    """An anchor has the ends of the shipper's chain and of the chain of erasures."""
    noted = read_anchors(str(tmp_path / "elsewhere"))
    (shipper,) = [path.name for path in (record / "manifest").iterdir()]
    heads = {each.head.chain: each.head.link for each in noted}
    assert heads.keys() == {shipper, ERASURES}
    assert heads[shipper].n == 1
    assert heads[shipper].previous == digest((record / "manifest" / shipper / "00000000.json").read_bytes())


def test_an_unchanged_chain_gets_one_anchor(record, ship, tmp_path) -> None:
    """An interval without new records adds no anchor, but a restart adds one."""
    from customer_risk.serving.record.shipper.progress import Progress

    assert len(list((tmp_path / "elsewhere" / "anchors").iterdir())) == 1
    ship()
    assert len(list((tmp_path / "elsewhere" / "anchors").iterdir())) == 2
    progress = Progress(tmp_path / "outbox")
    ships = ShipSettings(
        sinks=(FolderSettings(path=str(record)),), anchors=(FolderSettings(path=str(tmp_path / "third")),)
    )
    config = RecordSettings(enabled=True, folder=str(tmp_path / "outbox"), ship=ships).shipper_config(LogSettings())
    anchoring = Anchoring(config, progress)
    anchoring.write()
    anchoring.write()
    anchoring.close()
    progress.close()
    assert len(list((tmp_path / "third" / "anchors").iterdir())) == 1


def test_a_failed_anchor_does_not_stop_shipping(outbox, put, config, tmp_path, caplog) -> None:
    """If an anchor can't be written, that is logged, and all records are shipped."""
    (tmp_path / "elsewhere").write_text("a file")
    put(outbox, range(1, 5))
    outbox.close()
    shipper = Shipper(config)
    shipper.ending.begin(600)
    status = shipper.run()
    assert status.sinks["folder"].shipped == 4
    assert "an anchor can't be written" in caplog.text


def test_anchors_can_be_switched_off(outbox, put, config, tmp_path) -> None:
    """With an interval of 0, no anchor is written."""
    put(outbox, range(1, 5))
    outbox.close()
    off = msgspec.structs.replace(config, ship=msgspec.structs.replace(config.ship, anchor_seconds=0))
    shipper = Shipper(off)
    shipper.ending.begin(600)
    shipper.run()
    assert not (tmp_path / "elsewhere").exists()


def test_anchors_in_a_sink_are_refused(config) -> None:
    """Anchors in a sink are refused, since those who can write to the record could rewrite them."""
    ship = msgspec.structs.replace(config.ship, anchors=config.ship.sinks)
    with pytest.raises(ConfigError, match=r"record\.ship\.anchors"):
        ship.check()
