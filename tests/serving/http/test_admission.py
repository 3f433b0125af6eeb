"""How long the line is."""

from __future__ import annotations

import asyncio

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


def _admitted(wait: float, most: float, **options: object) -> tuple[bool, list[str]]:
    """Let a request wait in a line, and hear what is told of it."""
    clock, told = Clock(), []

    async def asked() -> bool:
        line = Admission(
            most, clock=clock, shed=lambda: told.append("shed"), waited=lambda _: told.append("waited"), **options
        )
        line.wait()
        clock.now += wait
        return line.admits()

    return asyncio.run(asked()), told


def test_half_of_the_bound_is_what_a_request_may_be_seen_to_wait() -> None:
    """The other half may have passed before anybody saw it."""
    assert _admitted(0.024, 0.05) == (True, ["waited"])
    assert _admitted(0.026, 0.05) == (False, ["shed"])


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
        found = [line.admits(), line.admits(again=True)]
        clock.now += 0.02
        found += [line.admits(again=True), line.admits()]
        clock.now += 0.02
        return [*found, line.admits()]

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
