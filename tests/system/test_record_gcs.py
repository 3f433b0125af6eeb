"""The decision record in a bucket, on an emulator that is stopped, killed and disconnected."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import threading
import time

import numpy as np
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.sinks.erasure import erase
from customer_risk.serving.record.sinks.factory import open_objects, open_sink
from customer_risk.serving.record.sinks.gcs import GcsObjects
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.manifest import Link
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.object_sink import ObjectSink
from customer_risk.serving.record.sinks.search import find
from customer_risk.serving.record.sinks.settings import GcsSettings
from customer_risk.serving.record.sinks.verification import verify
from tests.serving.record import conformance as samples
from tests.system.asking import PATIENCE
from tests.system.gate import Gate

pytestmark = pytest.mark.system

SHIPPER = "a" * 32
BOUND = 120  # seconds at most, on slow machines too: a write asks twice, with five seconds' patience each


class Bench:
    """A bench over a bucket."""

    def __init__(self, server, bucket: str) -> None:
        server.make_bucket(bucket)
        self.server = server
        self.gate = Gate(server.endpoint)
        self.settings = GcsSettings(bucket=bucket, prefix="record/", endpoint=self.gate.endpoint)
        self.objects = open_objects(self.settings)
        self._sinks: list[ObjectSink] = []

    def sink(self) -> ObjectSink:
        """Return another sink over the same bucket."""
        self._sinks.append(open_sink(self.settings, SHIPPER))
        return self._sinks[-1]

    def close(self) -> None:
        """Close all connections."""
        for each in (self.objects, *self._sinks, self.gate):
            each.close()

    def stored(self) -> list[dict]:
        """Return all documents."""
        return sorted(find(self.objects), key=lambda each: each["recorded_at"])

    def down(self):
        """Kill the server."""
        return self.server.killed()

    @contextlib.contextmanager
    def lost(self):
        """Drop the responses to uploads."""
        self.gate.losing = b"POST /upload"
        yield
        self.gate.losing = b""

    @staticmethod
    def spoil(document: dict) -> dict:
        """Put a value into a document that JSON can't represent."""
        return document | {"segment": object()}


@pytest.fixture
def bench(gcs, request):
    """A bucket for one test."""
    made = Bench(gcs, f"b{abs(hash(request.node.name))}")
    yield made
    made.close()


def test_the_sink_passes_every_check(conforms, bench) -> None:
    """The bucket's sink passes all checks of a sink, with a killed server and lost responses."""
    conforms(bench)


def test_a_bucket_is_verified_like_a_folder(bench) -> None:
    """A deleted, an altered and an added segment are found."""
    sink = bench.sink()
    for number in range(1, 6):
        sink.write(samples.segment(number, number), sink.place())
    objects = bench.objects
    assert verify(objects, ends={SHIPPER: Link.read(sink.place())}).ok
    keys = sorted(objects.list("dt="))
    objects.delete(keys[1])
    objects.delete(keys[2])
    objects.create(keys[2], b"forged")
    added = keys[3].replace("-4-4-", "-8-8-")
    objects.create(added, b"forged")
    assert sorted(verify(objects).problems) == sorted(
        [
            f"{keys[1]}: it is missing.",
            f"{keys[2]}: it was altered.",
            f"{added}: no manifest names it: it was added, or its shipper ended before it wrote the manifest.",
        ]
    )


def test_a_person_is_erased_from_a_bucket(bench) -> None:
    """After an erasure from a bucket, the chain verifies."""
    sink = bench.sink()
    sink.write(samples.segment(6, 9), sink.write(samples.segment(1, 4), sink.place()))
    someone = samples.record(2).customer_id
    assert len(list(find(bench.objects, customer_ids={someone}))) == 1
    erase(bench.objects, someone, by="dpo", why="asked", now=dt.datetime(2026, 3, 5, tzinfo=dt.UTC))
    assert list(find(bench.objects, customer_ids={someone})) == []
    report = verify(bench.objects)
    assert (report.problems, report.records, report.erased) == ((), 8, 1)


def test_an_object_is_written_once(bench) -> None:
    """Of two simultaneous writes of an object, one returns True."""
    objects, created = [open_objects(bench.settings) for _ in range(4)], []
    threads = [
        threading.Thread(target=lambda n=n, each=each: created.append(each.create("dt=1/x.json", b"%d" % n) and n))
        for n, each in enumerate(objects, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [n for n in created if n]
    assert bench.objects.get("dt=1/x.json") == b"%d" % winner
    for each in objects:
        each.close()


def test_a_hanging_server_is_unavailable_soon(bench) -> None:
    """A server that hangs raises SinkUnavailable; repeating the write later stores it once."""
    sink = bench.sink()
    place = sink.write(samples.segment(1, 2), sink.place())
    with bench.server.hanging():
        began = time.monotonic()
        with pytest.raises(SinkUnavailable):
            sink.write(samples.segment(3, 4), place)
        assert time.monotonic() - began < BOUND
    sink.write(samples.segment(3, 4), place)
    assert bench.stored() == samples.segment(1, 4).documents
    assert verify(bench.objects).ok


@pytest.mark.parametrize("through", [0, 1, 2_000, 300_000])
def test_an_upload_that_is_cut_leaves_nothing_or_all(bench, through) -> None:
    """Wherever an upload's connection breaks, repeating it stores it once."""
    given = samples.segment(1, 300)
    for number, document in enumerate(given.documents):
        encoded = bytes(4) + np.random.default_rng(number).bytes(1500)  # begins with the number of transactions
        document |= {"encoded": base64.b64encode(encoded).decode(), "transactions": 0}
    sink = bench.sink()
    place = sink.place()
    bench.gate.left = through
    with pytest.raises(SinkUnavailable):
        bench.sink().write(given, place)
    bench.gate.left = 1 << 62
    sink.write(given, place)
    assert bench.stored() == given.documents
    assert verify(bench.objects).ok


def test_a_server_killed_while_it_is_written_to_loses_nothing(bench) -> None:
    """Each segment is stored once, however often its write is repeated."""
    sink, place = bench.sink(), bench.sink().place()
    over, written = threading.Event(), []

    def kill() -> None:
        seen = -1
        while not over.wait(0.2):
            if len(written) > seen:  # kill again only after another write, so that slow machines make progress
                seen = len(written)
                with bench.server.killed():
                    time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    failures = 0
    try:
        for number in range(1, 101):
            deadline = time.monotonic() + PATIENCE
            while len(written) < number:
                try:
                    place = sink.write(samples.segment(number, number), place)
                    written.append(number)
                except SinkUnavailable:
                    failures += 1
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
    finally:
        over.set()
        killer.join()
    assert failures
    assert bench.stored() == samples.segment(1, 100).documents
    assert verify(bench.objects).ok


def test_a_missing_manifest_is_completed(bench) -> None:
    """Another process completes a plan whose manifest is missing."""
    sink = bench.sink()
    place = sink.place()
    key = sink.write(samples.segment(1, 2), place)
    bench.objects.delete(f"manifest/{SHIPPER}/00000000.json")
    assert not verify(bench.objects).ok
    assert bench.sink().write(samples.segment(1, 2), place) == key
    assert verify(bench.objects).ok


def test_two_shippers_share_a_bucket(bench) -> None:
    """Two shippers that write to one bucket each have a chain of their own."""
    for shipper, source, first in ((SHIPPER, samples.SOURCE, 1), ("b" * 32, samples.OTHER, 5)):
        sink = ObjectSink("gcs", bench.objects, Lines().encode, ".ndjson.gz", shipper)
        place = sink.write(samples.segment(first, first + 1, source=source), sink.place())
        sink.write(samples.segment(first + 2, first + 3, source=source), place)
    assert verify(bench.objects).segments == 4
    assert verify(bench.objects).ok


def test_more_objects_than_a_page_are_listed(bench) -> None:
    """Lists longer than a page are complete."""
    keys = [f"dt=1/{number:02}.json" for number in range(20)]
    for key in keys:
        bench.objects.create(key, b"")
    paged = GcsObjects(bench.settings, page=7)
    assert list(paged.list("dt=")) == keys
    paged.close()


def test_a_missing_bucket_is_a_config_error(gcs) -> None:
    """The check names a missing bucket."""
    sink = open_sink(GcsSettings(bucket="nobodys", endpoint=gcs.endpoint), SHIPPER)
    with pytest.raises(ConfigError, match=r"record\.ship\.sinks: gcs: the bucket 'nobodys'"):
        sink.check()
    sink.close()


def test_a_server_that_is_down_is_unavailable(bench) -> None:
    """A server that is down raises SinkUnavailable, not ConfigError."""
    with bench.down(), pytest.raises(SinkUnavailable):
        bench.sink().check()
