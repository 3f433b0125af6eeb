"""The estimated wait of requests."""

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
        admission = Admission(0.05, clock=clock)
        found = [admission.wait()]
        clock.now += 0.5
        found.append(admission.wait())
        await asyncio.sleep(0)
        return [*found, admission.wait()]

    assert asyncio.run(waits()) == [0, 0.5, 0]


def test_tasks_that_have_not_run_are_waited_for() -> None:
    """Each adds what a request has been measured to cost; once answered, it no longer does."""
    cpu = Clock()

    async def waits() -> list[float]:
        admission = Admission(0.05, clock=Clock(), cpu=cpu)
        for _ in range(64 * 60):
            admission.answered()
            cpu.now += 0.001
        for _ in range(10):
            admission.queue()
        found = [admission.wait()]
        admission.leave()
        return [*found, admission.wait()]

    ten, nine = asyncio.run(waits())
    assert abs(ten - 0.010) < 1e-4
    assert abs(nine - 0.009) < 1e-4


def _admitted(wait: float, most: float, *, directly: bool = True, **options: object) -> tuple[bool, list[str]]:
    """Return whether a request with a wait is admitted, and which callbacks were called."""
    clock, told = Clock(), []

    async def asked() -> bool:
        admission = Admission(
            most, clock=clock, shed=lambda: told.append("shed"), waited=lambda _: told.append("waited"), **options
        )
        admission.wait()
        clock.now += wait
        return admission.admits(directly=directly)

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


def test_half_of_the_bound_applies_to_a_second_request_in_a_turn() -> None:
    """Past half of the bound, a connection's second request in a turn is refused, and another's first is admitted."""
    clock = Clock()

    async def admitted() -> list[bool]:
        admission = Admission(0.05, clock=clock)
        found = [admission.admits(directly=True), admission.admits(directly=True, again=True)]
        clock.now += 0.02
        found += [admission.admits(directly=True, again=True), admission.admits(directly=True)]
        clock.now += 0.02
        return [*found, admission.admits(directly=True)]

    assert asyncio.run(admitted()) == [True, True, False, True, False]


def test_turns_with_requests_are_counted() -> None:
    """The number of turns stays the same during a turn with requests, and is higher in the next turn."""

    async def numbers() -> list[int]:
        admission = Admission(0.05)
        admission.wait()
        found = [admission.turns]
        admission.wait()
        found.append(admission.turns)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [*found, admission.turns]

    assert asyncio.run(numbers()) == [0, 0, 1]


def test_tasks_delay_requests_in_tasks_alone() -> None:
    """A request that is answered as soon as it is read doesn't wait for the tasks that were started before."""

    async def admitted() -> list[bool]:
        line = Admission(0.05, clock=Clock())
        for _ in range(1000):
            line.queue()
        return [line.admits(directly=True), line.admits()]

    assert asyncio.run(admitted()) == [True, False]
