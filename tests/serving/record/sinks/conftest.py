"""A folder of segments with a chain, as a shipper writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
import pytest

from customer_risk.serving.record.outbox.record import hash_names
from customer_risk.serving.record.sinks.batch import RecordBatch
from customer_risk.serving.record.sinks.folder import LocalObjects
from customer_risk.serving.record.sinks.manifest import Link
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.object_sink import ObjectSink
from customer_risk.serving.record.sinks.parquet import Parquet

SHIPPER = "a" * 32
OTHER = ("it's", 'a "name"', "Überweisung \N{EURO SIGN}", "x" * 100)
ODD = (-0.0, np.nan, 5e-324, 1.7976931348623157e308)


@pytest.fixture
def chained(tmp_path: Path, samples: ModuleType) -> Callable[..., Link]:
    """Return a function that writes segments of (first, last) numbers, and returns the chain's end."""

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


@pytest.fixture
def batch(samples: ModuleType) -> RecordBatch:
    """Refusals, decisions of two models (one with odd names and values), and a decision without features."""
    records = [samples.refusal(n) if n % 5 == 0 else samples.record(n) for n in range(1, 301)]
    names = {"": (), records[0].names: samples._NAMES, hash_names(OTHER): OTHER, hash_names(()): ()}
    odd = {"names": hash_names(OTHER), "features": np.array(ODD, "<f8").tobytes()}
    records[2::7] = [msgspec.structs.replace(each, **odd) for each in records[2::7]]
    records[3] = msgspec.structs.replace(records[3], names=hash_names(()), features=b"")
    return RecordBatch(records, names)
