"""The bundle and the outbox in tests/data/version-1, made before golden rows were requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving.audit.bundles import Bundles
from customer_risk.serving.audit.replay import Replayer
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.decisions.verification import load_verified
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import decode

DATA = Path(__file__).parents[2] / "data" / "version-1"
RECORDS = 21


@pytest.fixture(scope="module")
def outbox(tmp_path_factory) -> Path:
    """A copy of the outbox, since reading it makes files beside it."""
    import shutil

    return Path(shutil.copytree(DATA / "outbox", tmp_path_factory.mktemp("outbox") / "outbox"))


def test_the_bundle_loads_and_its_golden_rows_hold() -> None:
    """The bundle's golden rows are verified as requests, by the model and by the service."""
    loaded = load_verified(DATA / "bundle")
    assert loaded.manifest.schema_version == 1
    assert loaded.version == load_bundle(DATA / "bundle").version
    assert len(loaded.golden) == 5


def test_each_record_replays_to_the_bit(outbox) -> None:
    """Decisions by the model and by rules, from rows, columns and features, replay to the bit."""
    replayer = Replayer(Bundles(None, (DATA / "bundle",)).find, [load_rules()])
    replayed = [
        (record, replayer.replay(record, file.names(record.names)))
        for file in find_files(outbox)
        for record in (decode(kept.body) for kept in file.read(0, 1000))
    ]
    assert [(each.outcome, each.differences) for _, each in replayed] == [("same", ())] * RECORDS
    assert {record.source for record, _ in replayed} == {"model", "rules"}
    assert {bool(record.encoded) for record, _ in replayed} == {True, False}
