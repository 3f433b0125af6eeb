"""The estimated wait of requests."""

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


def _admitted(wait: float, most: float, **options: object) -> tuple[bool, list[str]]:
    """Return whether a request with a wait is admitted, and which callbacks were called."""
    clock, told = Clock(), []

    async def asked() -> bool:
        admission = Admission(
            most, clock=clock, shed=lambda: told.append("shed"), waited=lambda _: told.append("waited"), **options
        )
        admission.wait()
        clock.now += wait
        return admission.admits()

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


def test_half_of_the_bound_applies_to_a_second_request_in_a_turn() -> None:
    """Past half of the bound, a connection's second request in a turn is refused, and another's first is admitted."""
    clock = Clock()

    async def admitted() -> list[bool]:
        admission = Admission(0.05, clock=clock)
        found = [admission.admits(), admission.admits(again=True)]
        clock.now += 0.02
        found += [admission.admits(again=True), admission.admits()]
        clock.now += 0.02
        return [*found, admission.admits()]

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
