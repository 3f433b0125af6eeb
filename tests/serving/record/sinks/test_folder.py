"""The sink of a folder."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.sinks.factory import open_sink
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.parquet import Parquet
from customer_risk.serving.record.sinks.settings import FolderSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from customer_risk.serving.record.sinks.interface import Sink

SHIPPER = "5" * 32


class Folder:
    """A bench over a folder."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self._monkeypatch = monkeypatch

    def sink(self) -> Sink:
        """Return another sink over it."""
        return open_sink(FolderSettings(path=str(self.path)), SHIPPER)

    def stored(self) -> list[dict[str, Any]]:
        """Return all documents, by time."""
        parquet = Parquet()
        found = [each for path in self.path.glob("dt=*/*/*.parquet") for each in parquet.decode(path.read_bytes())]
        return sorted(found, key=lambda each: each["recorded_at"])

    @contextmanager
    def down(self) -> Iterator[None]:
        """Replace the folder by a file."""
        aside = self.path.with_name("aside")
        self.path.rename(aside)
        self.path.write_bytes(b"")
        yield
        self.path.unlink()
        aside.rename(self.path)

    @contextmanager
    def lost(self) -> Iterator[None]:
        """Fail after files are written."""
        create = LocalObjects.create

        def fail(self: LocalObjects, key: str, data: bytes) -> bool:
            create(self, key, data)
            raise SinkUnavailable("It fails.", remedy="Wait.")

        with self._monkeypatch.context() as patch:
            patch.setattr(LocalObjects, "create", fail)
            yield

    @staticmethod
    def spoil(document: dict[str, Any]) -> dict[str, Any]:
        """Add a field that has no column."""
        return {**document, "undeclared": 1}


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Folder:
    """An empty folder."""
    return Folder(tmp_path / "record", monkeypatch)


def test_the_folder_passes_every_check(conforms, bench) -> None:
    """The folder's sink passes all checks of a sink."""
    conforms(bench)


def test_a_segments_path_has_its_day_and_hour(bench, samples) -> None:
    """A segment's path has its day, hour, outbox file, numbers and hash."""
    sink = bench.sink()
    sink.write(samples.segment(1, 3), sink.place())
    (path,) = bench.path.glob("dt=*/*/*")
    assert path.parent.relative_to(bench.path) == Path("dt=2026-03-04/hour=05")
    assert path.name.startswith(f"{samples.SOURCE}-1-3-")


def test_an_empty_path_is_refused() -> None:
    """An empty path is refused, with the name of the setting."""
    with pytest.raises(ConfigError, match="path"):
        open_sink(FolderSettings(path=""), SHIPPER)


def test_an_unwritable_folder_fails_the_check(tmp_path) -> None:
    """A file instead of the folder fails the check, which names it."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="file"):
        open_sink(FolderSettings(path=str(tmp_path / "file")), SHIPPER).check()
