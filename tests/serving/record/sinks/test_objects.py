"""Reading many objects."""

from __future__ import annotations

import threading

import pytest

from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.objects import fetch


class Slow:
    """Objects that are returned only once `together` of them are requested."""

    def __init__(self, together: int) -> None:
        self.barrier = threading.Barrier(together, timeout=600)
        self.asked: list[str] = []

    def get(self, key: str) -> bytes | None:
        """Wait for the others; a key that ends in 3 is missing, and x raises."""
        self.asked.append(key)
        self.barrier.wait()
        if key == "x":
            raise SinkUnavailable("Down.", remedy="")
        return None if key.endswith("3") else key.encode()


def test_objects_are_yielded_in_order() -> None:
    """Several objects are read at a time and yielded in order; missing ones are None."""
    keys = [f"{number:02}" for number in range(12)]
    expected = [(key, None if key.endswith("3") else key.encode()) for key in keys]
    assert list(fetch(Slow(4), keys, ahead=4)) == expected


def test_a_reader_that_stops_reads_no_further_objects() -> None:
    """A reader that stops early reads no further objects."""
    objects = Slow(1)
    found = fetch(objects, [f"{number}" for number in range(100)], ahead=3)
    assert next(found) == ("0", b"0")
    found.close()
    assert len(objects.asked) <= 3


def test_a_failed_read_raises() -> None:
    """A failed read raises."""
    with pytest.raises(SinkUnavailable):
        list(fetch(Slow(1), ["a", "x", "b"]))


def test_no_keys_yield_no_objects() -> None:
    """No keys yield no objects."""
    assert list(fetch(Slow(1), [])) == []
