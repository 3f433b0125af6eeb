"""Reading many objects."""

from __future__ import annotations

import threading

import pytest

from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.parallel_reads import fetch


class Slow:
    """Objects that are given only once `together` of them are asked for."""

    def __init__(self, together: int) -> None:
        self.barrier = threading.Barrier(together, timeout=600)
        self.asked: list[str] = []

    def get(self, key: str) -> bytes | None:
        """Wait for the others; a key that ends in 3 isn't there, x fails."""
        self.asked.append(key)
        self.barrier.wait()
        if key == "x":
            raise SinkUnavailable("Down.", remedy="")
        return None if key.endswith("3") else key.encode()


def test_objects_come_in_order_whoever_is_first() -> None:
    """Several are read at a time; those that aren't there are none."""
    keys = [f"{number:02}" for number in range(12)]
    expected = [(key, None if key.endswith("3") else key.encode()) for key in keys]
    assert list(fetch(Slow(4), keys, ahead=4)) == expected


def test_no_more_is_read_than_was_asked_for() -> None:
    """Whoever has what they wanted doesn't pay for all the rest."""
    objects = Slow(1)
    found = fetch(objects, [f"{number}" for number in range(100)], ahead=3)
    assert next(found) == ("0", b"0")
    found.close()
    assert len(objects.asked) <= 3


def test_a_failure_is_the_readers() -> None:
    """Nothing goes missing unseen."""
    with pytest.raises(SinkUnavailable):
        list(fetch(Slow(1), ["a", "x", "b"]))


def test_nothing_is_nothing() -> None:
    """There need be no objects."""
    assert list(fetch(Slow(1), [])) == []
