"""Shipping an outbox that two releases wrote, as after an upgrade or a downgrade."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import decode
from customer_risk.serving.record.shipper.shipper import Shipper
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.search import find
from customer_risk.serving.record.sinks.settings import FolderSettings
from customer_risk.serving.record.sinks.verification import verify

(OLD,) = (Path(__file__).parents[3] / "data" / "version-1" / "outbox").iterdir()
OLD_SUFFIXES = {".outbox", ".lock"}  # suffixes of the files that earlier releases read, lock and remove


def ids(folder: Path) -> list[str]:
    """Return the ids of an outbox's records, in order."""
    return [decode(kept.body).record_id for file in find_files(folder) for kept in file.read(0, 1000)]


def ship_all(config) -> None:
    """Ship the whole outbox."""
    shipper = Shipper(config)
    shipper.ending.begin(600)
    assert all(each.lag_records == 0 for each in shipper.run().sinks.values())


def test_an_upgrade_ships_the_outbox_of_the_earlier_release_once(folder, left, make_config, tmp_path) -> None:
    """The records of both releases' files are in the sink once, and the chain verifies."""
    shutil.copy(OLD, folder)
    left(range(5))
    sink = LocalObjects(tmp_path / "sink")
    ship_all(make_config(sinks=(FolderSettings(path=str(tmp_path / "sink")),)))
    assert Counter(each["decision_id"] for each in find(sink)) == Counter(ids(folder))
    assert len(ids(folder)) == 21 + 5
    assert not verify(sink).problems


def test_a_downgrade_leaves_this_releases_files_for_the_next_upgrade(folder, left, make_config, tmp_path) -> None:
    """The earlier release leaves this release's files alone, and the next upgrade ships both releases' records."""
    left(range(5))
    assert not {path.suffix for path in folder.iterdir()} & OLD_SUFFIXES
    ship_all(make_config(sinks=(FolderSettings(path=str(tmp_path / "sink")),)))
    left(range(5, 9))  # not shipped before the downgrade
    shutil.copy(OLD, folder)
    ship_all(make_config(sinks=(FolderSettings(path=str(tmp_path / "sink")),)))
    found = Counter(each["decision_id"] for each in find(LocalObjects(tmp_path / "sink")))
    assert found == Counter(ids(folder))
    assert len(found) == 9 + 21
