"""The bounds on open connections, and which connection is closed for a new one."""

from __future__ import annotations

from customer_risk.serving.http.connections import RESERVED, Admitted, Connections


class Fake:
    """A connection that remembers whether it was closed."""

    evicted = False

    def evict(self) -> None:
        """Remember that the connection was closed."""
        self.evicted = True


def test_a_connection_of_the_peer_with_most_is_closed() -> None:
    """At the bound, the longest waiting connection of the peer with most is closed, not the longest waiting of all."""
    connections = Connections(5, 5)
    few, many = [Fake(), Fake()], [Fake() for _ in range(4)]
    for each in few:
        connections.add(each, "a")
    for each in many:
        assert connections.add(each, "b") is Admitted.ALL
    assert [each.evicted for each in few + many] == [False, False, True, False, False, False]
    assert len(connections) == 5


def test_a_busy_connection_is_not_closed() -> None:
    """A connection that has a request stays open; a waiting one is closed."""
    connections = Connections(2, 2)
    busy, waiting = Fake(), Fake()
    for each in (busy, waiting):
        connections.add(each, "a")
    connections.mark_busy(busy, "a")
    assert connections.add(Fake(), "b") is Admitted.ALL
    assert (busy.evicted, waiting.evicted) == (False, True)


def test_if_all_connections_are_busy_probes_are_admitted_then_nothing() -> None:
    """If no connection waits, RESERVED more are accepted for probes, and the next one is refused."""
    connections = Connections(3, 1000)

    def opened() -> Admitted:
        each = Fake()
        admitted = connections.add(each, "a")
        connections.mark_busy(each, "a")
        return admitted

    assert [opened() for _ in range(3 + RESERVED + 1)] == [
        *[Admitted.ALL] * 3,
        *[Admitted.PROBES] * RESERVED,
        Admitted.NOTHING,
    ]


def test_a_replaced_reserve_connection_is_for_probes() -> None:
    """A connection that takes the place of an idle one in the reserve is for probes, as the one before."""
    connections = Connections(2, 1000)
    for _ in range(2):
        busy = Fake()
        connections.add(busy, "a")
        connections.mark_busy(busy, "a")
    idle = Fake()
    connections.add(idle, "a")
    assert [connections.add(Fake(), "a") for _ in range(2)] == [Admitted.PROBES] * 2
    assert (idle.evicted, len(connections)) == (True, 3)


def test_a_connection_is_removed_once() -> None:
    """A connection that is removed twice is counted once."""
    connections = Connections(1, 1)
    first, second = Fake(), Fake()
    connections.add(first, "a")
    connections.add(second, "a")
    assert first.evicted
    connections.remove(first, "a")
    connections.mark_waiting(first, "a")
    assert (len(connections), connections.waiting) == (1, 1)
    connections.remove(second, "a")
    connections.remove(second, "a")
    assert (len(connections), connections.waiting) == (0, 0)
