"""How many connections may be open, and which one is closed for another."""

from __future__ import annotations

from customer_risk.serving.http.connections import RESERVED, Admitted, Connections


class Fake:
    """A connection that remembers whether it was closed."""

    evicted = False

    def evict(self) -> None:
        """Remember it."""
        self.evicted = True


def test_the_peer_with_most_connections_gives_way() -> None:
    """In a full house the oldest waiting connection of the peer with the most is closed, not the oldest of all."""
    house = Connections(5, 5)
    few, many = [Fake(), Fake()], [Fake() for _ in range(4)]
    for each in few:
        house.enter(each, "a")
    for each in many:
        assert house.enter(each, "b") is Admitted.ALL
    assert [each.evicted for each in few + many] == [False, False, True, False, False, False]
    assert len(house) == 5


def test_a_busy_connection_is_not_closed() -> None:
    """A connection that has a request stays, whichever peer it is of."""
    house = Connections(2, 2)
    busy, waiting = Fake(), Fake()
    for each in (busy, waiting):
        house.enter(each, "a")
    house.work(busy, "a")
    assert house.enter(Fake(), "b") is Admitted.ALL
    assert (busy.evicted, waiting.evicted) == (False, True)


def test_a_house_of_busy_connections_admits_probes_then_nothing() -> None:
    """Without a waiting connection RESERVED more are for probes, and the next one is refused."""
    house = Connections(3, 1000)

    def enter() -> Admitted:
        each = Fake()
        admitted = house.enter(each, "a")
        house.work(each, "a")
        return admitted

    assert [enter() for _ in range(3 + RESERVED + 1)] == [
        *[Admitted.ALL] * 3,
        *[Admitted.PROBES] * RESERVED,
        Admitted.NOTHING,
    ]


def test_a_place_in_the_reserve_stays_one_for_probes() -> None:
    """A connection that takes the place of an idle one in the reserve is for probes, as the one before."""
    house = Connections(2, 1000)
    for _ in range(2):
        busy = Fake()
        house.enter(busy, "a")
        house.work(busy, "a")
    idle = Fake()
    house.enter(idle, "a")
    assert [house.enter(Fake(), "a") for _ in range(2)] == [Admitted.PROBES] * 2
    assert (idle.evicted, len(house)) == (True, 3)


def test_a_connection_leaves_once() -> None:
    """A connection that was closed for another, and is then lost, isn't counted twice."""
    house = Connections(1, 1)
    first, second = Fake(), Fake()
    house.enter(first, "a")
    house.enter(second, "a")
    assert first.evicted
    house.leave(first, "a")
    house.wait(first, "a")
    assert (len(house), house.waiting) == (1, 1)
    house.leave(second, "a")
    house.leave(second, "a")
    assert (len(house), house.waiting) == (0, 0)
