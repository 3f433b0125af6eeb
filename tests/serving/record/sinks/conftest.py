"""A folder of segments with a chain, as a shipper leaves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.manifest import Link
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.object_sink import ObjectSink
from customer_risk.serving.record.sinks.parquet import Parquet

SHIPPER = "a" * 32


@pytest.fixture
def chained(tmp_path: Path, samples: ModuleType) -> Callable[..., Link]:
    """Write segments of the given numbers, (first, last) each, and give the chain's end."""

    def write(*runs: tuple[int, int], form: str = "ndjson.gz", shipper: str = SHIPPER, source: str = "") -> Link:
        encode = Parquet().encode if form == "parquet" else Lines().encode
        sink = ObjectSink("folder", LocalObjects(tmp_path), encode, f".{form}", shipper)
        for first, last in runs:
            sink.write(samples.segment(first, last, source=source or samples.SOURCE), sink.place())
        return Link.read(sink.place())

    return write


@pytest.fixture
def stored(tmp_path: Path) -> LocalObjects:
    """The folder that `chained` writes to."""
    return LocalObjects(tmp_path)
