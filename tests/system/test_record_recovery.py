"""A shipper whose progress is lost stores nothing twice, on emulators of Google's services."""

from __future__ import annotations

from collections import Counter

import pytest

from customer_risk.serving.record.outbox.record import encode
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.shipper.progress import NAME, read_end
from customer_risk.serving.record.shipper.settings import ShipperConfig, ShipSettings
from customer_risk.serving.record.shipper.shipper import Shipper
from customer_risk.serving.record.sinks.bigquery.connections import Connections
from customer_risk.serving.record.sinks.bigquery.setup import init
from customer_risk.serving.record.sinks.factory import open_objects
from customer_risk.serving.record.sinks.manifest import Link
from customer_risk.serving.record.sinks.search import find
from customer_risk.serving.record.sinks.settings import BigQuerySettings, GcsSettings
from customer_risk.serving.record.sinks.verification import verify
from tests.serving.record import conformance as samples

pytestmark = pytest.mark.system


def _damage(folder) -> None:
    (folder / NAME).write_bytes(b"no database" * 5000)


def _remove(folder) -> None:
    for path in folder.glob(f"{NAME}*"):
        path.unlink()


LOSSES = pytest.mark.parametrize("lose", [_damage, _remove])


def _put(folder, numbers) -> list[str]:
    """Write records to an outbox, close it and return their ids."""
    outbox = Outbox(folder, most_bytes=10**9, file_bytes=10**7)
    records = [samples.record(number) for number in numbers]
    for each in records:
        outbox.add(encode(each), samples._NAMES, each.names)
    outbox.commit()
    outbox.close()
    return [each.record_id for each in records]


def _ship(folder, settings) -> None:
    """Ship all records of an outbox."""
    config = ShipperConfig(folder=str(folder), most_bytes=10**9, ship=ShipSettings(sinks=(settings,), batch_records=30))
    shipper = Shipper(config)
    shipper.ending.begin(600)
    assert all(each.lag_records == 0 for each in shipper.run().sinks.values())


@LOSSES
def test_a_bucket_has_each_record_once_after_the_progress_is_lost(gcs, tmp_path, lose) -> None:
    """A bucket has each record once and one chain of manifests, even if the last segment had no manifest yet."""
    bucket = f"recovery{lose.__name__.replace('_', '-')}"
    gcs.make_bucket(bucket)
    settings, folder = GcsSettings(bucket=bucket, endpoint=gcs.endpoint), tmp_path / "outbox"
    ids = _put(folder, range(1, 101))
    _ship(folder, settings)
    shipper, _ = read_end(folder, "gcs")
    objects = open_objects(settings)
    objects.delete(max(objects.list("manifest/")))
    lose(folder)
    ids += _put(folder, range(101, 151))
    _ship(folder, settings)
    now, place = read_end(folder, "gcs")
    report = verify(objects, ends={now: Link.read(place)})
    assert (now, report.problems, report.records) == (shipper, (), 150)
    assert Counter(each["decision_id"] for each in find(objects)) == Counter(ids)
    objects.close()


@LOSSES
def test_a_table_has_each_record_once_after_the_progress_is_lost(bigquery, tmp_path, lose) -> None:
    """A table has each record once after the progress is lost, since it is asked which records it has."""
    settings = BigQuerySettings(
        project="risk",
        dataset=f"recovery{lose.__name__}",
        endpoint=bigquery.endpoint,
        grpc_endpoint=bigquery.grpc_endpoint,
    )
    init(settings)
    folder = tmp_path / "outbox"
    ids = _put(folder, range(1, 101))
    _ship(folder, settings)
    lose(folder)
    ids += _put(folder, range(101, 151))
    _ship(folder, settings)
    connections = Connections(settings)
    rows = connections.rest.query_and_wait(f"SELECT decision_id FROM `{settings.path}`", retry=None, job_retry=None)  # noqa: S608  names of ours
    assert Counter(row["decision_id"] for row in rows) == Counter(ids)
    connections.close()
