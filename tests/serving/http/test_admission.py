"""How long the line is."""

from __future__ import annotations

import asyncio

import pytest

from customer_risk.serving.http.admission import Admission


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_the_first_of_a_turn_has_not_waited() -> None:
    """A turn of the event loop begins with the first request that it comes to."""

    async def first() -> float:
        return Admission(0.05).wait()

    assert asyncio.run(first()) == 0


def test_those_behind_wait_as_long_as_the_turn_lasts() -> None:
    """What a turn has spent on others is what the next request of it has waited; the next turn begins anew."""
    clock = Clock()

    async def waits() -> list[float]:
        line = Admission(0.05, clock=clock)
        found = [line.wait()]
        clock.now += 0.5
        found.append(line.wait())
        await asyncio.sleep(0)
        return [*found, line.wait()]

    assert asyncio.run(waits()) == [0, 0.5, 0]


def test_tasks_that_have_not_run_are_waited_for() -> None:
    """Each adds what a request has been measured to cost; once answered, it no longer does."""
    cpu = Clock()

    async def waits() -> list[float]:
        line = Admission(0.05, clock=Clock(), cpu=cpu)
        for _ in range(64 * 60):
            line.answered()
            cpu.now += 0.001
        for _ in range(10):
            line.queue()
        found = [line.wait()]
        line.leave()
        return [*found, line.wait()]

    ten, nine = asyncio.run(waits())
    assert abs(ten - 0.010) < 1e-4
    assert abs(nine - 0.009) < 1e-4


def _admitted(wait: float, most: float, *, directly: bool = True, **options: object) -> tuple[bool, list[str]]:
    """Let a request wait; return whether it was admitted, and what was reported of it."""
    clock, told = Clock(), []

    async def asked() -> bool:
        line = Admission(
            most, clock=clock, shed=lambda: told.append("shed"), waited=lambda _: told.append("waited"), **options
        )
        line.wait()
        clock.now += wait
        return line.admits(directly=directly)

    return asyncio.run(asked()), told


@pytest.mark.parametrize(("directly", "bound"), [(True, 0.025), (False, 0.05)])
def test_a_request_is_admitted_within_its_bound(directly, bound) -> None:
    """A request in a task may wait for the whole bound, one that is answered at once for half of it."""
    assert _admitted(bound - 0.001, 0.05, directly=directly) == (True, ["waited"])
    assert _admitted(bound + 0.001, 0.05, directly=directly) == (False, ["shed"])


def test_without_a_bound_nothing_is_refused() -> None:
    """Zero switches it off."""
    assert _admitted(1000, 0) == (True, ["waited"])


def test_while_a_bundle_is_loaded_the_bound_is_further() -> None:
    """Requests don't fail for it, unless the wait is out of all proportion."""
    assert _admitted(0.2, 0.05, lenient=lambda: True) == (True, ["waited"])
    assert _admitted(0.3, 0.05, lenient=lambda: True) == (False, ["shed"])


def test_a_second_request_of_a_turn_waits_half_as_long() -> None:
    """A connection's second request in one turn is refused after half the bound, another connection's first isn't."""
    clock = Clock()

    async def admitted() -> list[bool]:
        line = Admission(0.05, clock=clock)
        found = [line.admits(directly=True), line.admits(directly=True, again=True)]
        clock.now += 0.02
        found += [line.admits(directly=True, again=True), line.admits(directly=True)]
        clock.now += 0.02
        return [*found, line.admits(directly=True)]

    assert asyncio.run(admitted()) == [True, True, False, True, False]


def test_turns_with_requests_are_counted() -> None:
    """Requests of one turn have one number, those of the next turn another."""

    async def numbers() -> list[int]:
        line = Admission(0.05)
        line.wait()
        found = [line.turns]
        line.wait()
        found.append(line.turns)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [*found, line.turns]

    assert asyncio.run(numbers()) == [0, 0, 1]


def test_tasks_delay_requests_in_tasks_alone() -> None:
    """A request that is answered as soon as it is read doesn't wait for the tasks that were started before."""

    async def admitted() -> list[bool]:
        line = Admission(0.05, clock=Clock())
        for _ in range(1000):
            line.queue()
        return [line.admits(directly=True), line.admits()]

    assert asyncio.run(admitted()) == [True, False]
