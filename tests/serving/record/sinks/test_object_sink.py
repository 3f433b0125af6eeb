"""Objects that are written once, and the sink that writes segments to them."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.manifest import Link, digest, encode, manifests
from customer_risk.serving.record.sinks.ndjson import SUFFIX, Lines
from customer_risk.serving.record.sinks.object_sink import ObjectSink
from customer_risk.serving.record.sinks.verification import verify

SHIPPER = "a" * 32


class Flaky(LocalObjects):
    """A folder whose next writes fail, before or after they have an effect."""

    before = after = ""

    def create(self, key: str, data: bytes) -> bool:
        """Fail at the first key that begins with `before` or `after`."""
        if self.before and key.startswith(self.before):
            raise SinkUnavailable("Down.", remedy="")
        created = super().create(key, data)
        if self.after and key.startswith(self.after):
            raise SinkUnavailable("Lost.", remedy="")
        return created


class Bench:
    """A bench over a folder of lines of JSON."""

    def __init__(self, folder: Path) -> None:
        self.objects = Flaky(folder)

    def sink(self) -> ObjectSink:
        """Return another sink over the same folder."""
        return ObjectSink("lines", self.objects, Lines().encode, SUFFIX, SHIPPER)

    def stored(self) -> list[dict]:
        """Return all documents."""
        found = [each for key in self.objects.list("dt=") for each in Lines().decode(self.objects.get(key))]
        return sorted(found, key=lambda each: each["recorded_at"])

    @contextlib.contextmanager
    def down(self):
        """Fail before each write."""
        self.objects.before = "dt="
        yield
        self.objects.before = ""

    @contextlib.contextmanager
    def lost(self):
        """Fail after a segment is written."""
        self.objects.after = "dt="
        yield
        self.objects.after = ""

    @staticmethod
    def spoil(document: dict) -> dict:
        """Put a value into a document that JSON can't represent."""
        return document | {"segment": object()}


@pytest.fixture
def objects(tmp_path) -> LocalObjects:
    """The objects of a folder that doesn't exist yet."""
    return LocalObjects(tmp_path / "a" / "b")


@pytest.fixture
def bench(tmp_path) -> Bench:
    """A bench for one test."""
    return Bench(tmp_path)


def test_the_sink_passes_every_check(conforms, bench) -> None:
    """The sink of objects passes all checks of a sink."""
    conforms(bench)


def test_an_object_is_written_once(objects) -> None:
    """The second of two writes returns False and changes nothing."""
    assert objects.create("dt=2026-01-01/hour=00/x.json", b"one")
    assert not objects.create("dt=2026-01-01/hour=00/x.json", b"two")
    assert objects.get("dt=2026-01-01/hour=00/x.json") == b"one"


def test_of_many_concurrent_writers_one_succeeds(objects) -> None:
    """Of many simultaneous writes of one object, one returns True."""
    with ThreadPoolExecutor(8) as pool:
        for turn in range(50):
            created = list(pool.map(lambda n, key=f"dt=1/{turn}": objects.create(key, b"%d" % n), range(8)))
            assert objects.get(f"dt=1/{turn}") == b"%d" % created.index(True)
            assert sum(created) == 1


def test_a_failed_sync_is_unavailable(objects, monkeypatch) -> None:
    """If the disk can't sync, the write raises SinkUnavailable."""

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    objects.create("dt=1/y", b"")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(SinkUnavailable, match="Input/output error"):
        objects.create("dt=1/x", b"")
    assert list(objects.list("")) == ["dt=1/y"]


def test_a_missing_object_is_none(objects) -> None:
    """Reading, listing and deleting a missing object are not errors."""
    assert objects.get("x") is None
    assert list(objects.list("dt=")) == []
    objects.delete("x")


def test_keys_are_listed_in_order_by_any_prefix(objects) -> None:
    """A prefix may end within a name; files that begin with a dot aren't listed."""
    keys = ["dt=2026-01-02/hour=00/b", "dt=2026-01-02/hour=00/a", "dt=2026-01-01/hour=23/c", "manifest/x/0.json"]
    for key in [*keys, ".hidden"]:
        objects.create(key, b"")
    assert list(objects.list("dt=")) == sorted(keys[:3])
    assert list(objects.list("dt=2026-01-02/hour=00/a")) == keys[1:2]
    assert list(objects.list("")) == sorted(keys)


def test_a_deleted_object_is_gone(objects) -> None:
    """A deleted object can be written again."""
    objects.create("x", b"one")
    objects.delete("x")
    assert objects.get("x") is None
    assert objects.create("x", b"two")


@pytest.mark.parametrize("key", ["../x", "dt=1/../../x", "/etc/passwd"])
def test_no_key_leaves_the_folder(objects, key) -> None:
    """A key that leads out of the folder is refused, since a forged manifest may name one."""
    for act in (objects.get, objects.delete, lambda key: objects.create(key, b""), lambda key: list(objects.list(key))):
        with pytest.raises(ValueError, match="not a key"):
            act(f"{key}/")


def test_a_killed_writer_leaves_no_incomplete_object(tmp_path) -> None:
    """If a process is killed while it writes, each object is complete or missing."""
    code = (
        "import sys; from pathlib import Path; from customer_risk.serving.record.sinks.folder import LocalObjects\n"
        "objects = LocalObjects(Path(sys.argv[1]))\n"
        "for n in range(1_000_000): objects.create(f'dt=1/{n}', b'x' * 300_000); print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as writer:
        for _ in range(20):
            assert writer.stdout.readline()
        writer.kill()
    written = list(LocalObjects(tmp_path).list("dt="))
    assert len(written) >= 20
    assert {len(LocalObjects(tmp_path).get(key)) for key in written} == {300_000}


def test_old_unfinished_files_are_removed(tmp_path, objects) -> None:
    """Old unfinished files are removed; recent ones stay, since another process may be writing them."""
    objects.check()
    aside = tmp_path / "a" / "b" / ".unfinished"
    (aside / "old").write_bytes(b"x")
    (aside / "new").write_bytes(b"x")
    os.utime(aside / "old", (time.time() - 7200,) * 2)
    objects.check()
    assert [path.name for path in aside.iterdir()] == ["new"]


def test_an_unwritable_folder_is_a_config_error(tmp_path) -> None:
    """The check names the setting."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"record\.ship\.sinks: the folder"):
        LocalObjects(tmp_path / "file").check()


def test_a_failing_disk_is_unavailable(tmp_path) -> None:
    """Every operation on a failing disk raises SinkUnavailable."""
    (tmp_path / "file").write_bytes(b"")
    objects = LocalObjects(tmp_path / "file")
    for act in (lambda: objects.get("x"), lambda: objects.create("x", b""), lambda: objects.delete("x")):
        with pytest.raises(SinkUnavailable, match="fails"):
            act()


def test_a_segments_key_has_its_hour_source_and_hash(bench, samples) -> None:
    """A segment's key has its day and hour, its outbox file and its hash."""
    sink = bench.sink()
    sink.write(samples.segment(1, 2), sink.place())
    (key,) = bench.objects.list("dt=")
    ((_, manifest, _),) = manifests(bench.objects)
    assert key == f"dt=2026-03-04/hour=05/{samples.SOURCE}-1-2-{manifest.sha256[:16]}.ndjson.gz"
    assert manifest.key == key


def test_a_manifest_describes_its_segment(bench, samples) -> None:
    """A manifest has its segment's records, bytes and times, and the previous manifest's hash."""
    sink = bench.sink()
    sink.write(samples.segment(3, 9), sink.write(samples.segment(1, 2), sink.place()))
    (_, first, data), (key, second, _) = manifests(bench.objects)
    assert key == f"manifest/{SHIPPER}/00000001.json"
    assert (first.n, first.previous, first.records) == (0, "", 2)
    assert (second.n, second.records) == (1, 7)
    assert second.previous == digest(data)
    assert second.first_at < second.last_at
    assert second.size == len(bench.objects.get(second.key))


def test_a_missing_manifest_is_written_by_the_repeated_plan(bench, samples) -> None:
    """The repeated plan finds its segment and writes the missing manifest."""
    sink = bench.sink()
    place = sink.write(samples.segment(1, 2), sink.place())
    bench.objects.before = "manifest/"
    with pytest.raises(SinkUnavailable):
        sink.write(samples.segment(3, 4), place)
    assert len(verify(bench.objects).problems) == 1
    bench.objects.before = ""
    bench.sink().write(samples.segment(3, 4), place)
    report = verify(bench.objects)
    assert (report.ok, report.segments, report.records) == (True, 2, 4)


def test_a_restarted_sink_finds_the_chains_end(bench, samples) -> None:
    """A restarted sink finds the end of a chain of any length."""
    sink = bench.sink()
    place = sink.place()
    for number in range(1, 41):
        assert bench.sink().place() == place
        place = sink.write(samples.segment(number, number), place)
    assert verify(bench.objects).ok


def test_a_repeated_plan_restores_no_erased_data(bench, samples) -> None:
    """If the manifest exists, a repeated plan writes nothing, even if the segment is gone."""
    sink = bench.sink()
    place = sink.place()
    after = sink.write(samples.segment(1, 2), place)
    (key,) = bench.objects.list("dt=")
    bench.objects.delete(key)
    assert bench.sink().write(samples.segment(1, 2), place) == after
    assert list(bench.objects.list("dt=")) == []


def test_a_second_shipper_at_the_same_place_is_refused(bench, samples) -> None:
    """A second shipper at the same place is refused and overwrites nothing."""
    sink = bench.sink()
    place = sink.place()
    sink.write(samples.segment(1, 2), place)
    with pytest.raises(SinkUnavailable, match="two shippers share one identity"):
        bench.sink().write(samples.segment(1, 2, source=samples.OTHER), place)
    assert verify(bench.objects).ok


def test_a_plan_of_another_chain_is_refused(bench, samples) -> None:
    """A manifest with another previous hash than the plan's is refused."""
    sink = bench.sink()
    sink.write(samples.segment(1, 2), sink.place())
    with pytest.raises(SinkUnavailable, match="two shippers share one identity"):
        bench.sink().write(samples.segment(1, 2), encode(Link(0, "0" * 64)))


def test_an_altered_segment_gets_no_manifest(bench, samples) -> None:
    """An altered segment gets no manifest."""
    sink = bench.sink()
    bench.objects.after = "dt="
    with pytest.raises(SinkUnavailable):
        sink.write(samples.segment(1, 2), sink.place())
    bench.objects.after = ""
    (key,) = bench.objects.list("dt=")
    bench.objects.delete(key)
    bench.objects.create(key, b"forged")
    with pytest.raises(SinkUnavailable, match="altered"):
        sink.write(samples.segment(1, 2), sink.place())


def test_an_empty_segment_writes_nothing(bench, samples) -> None:
    """A segment without documents writes nothing."""
    sink = bench.sink()
    place = sink.place()
    assert sink.write(samples.segment(1, 2, without=(1, 2)), place) == place
    assert list(bench.objects.list("")) == []


def test_an_invalid_place_is_refused(bench, samples) -> None:
    """An invalid place is refused, and nothing is written."""
    with pytest.raises(ValueError, match="not a chain's end"):
        bench.sink().write(samples.segment(1, 2), b"5")
    assert list(bench.objects.list("")) == []
