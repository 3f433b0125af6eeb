"""The estimated wait of requests."""

from __future__ import annotations

import asyncio

import pytest

from customer_risk.serving.http.admission import Admission


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


async def test_the_first_request_of_a_turn_does_not_wait() -> None:
    """The first request of a turn doesn't wait."""
    assert Admission(0.05).wait() == 0


async def test_later_requests_wait_as_long_as_the_turn_has_lasted() -> None:
    """A request has waited as long as its turn has lasted; the next turn begins at zero."""
    clock = Clock()

    admission = Admission(0.05, clock=clock)
    found = [admission.wait()]
    clock.now += 0.5
    found.append(admission.wait())
    await asyncio.sleep(0)
    assert [*found, admission.wait()] == [0, 0.5, 0]


def test_each_queued_request_adds_its_cost() -> None:
    """Each queued request adds the measured cost of a request until it is answered."""
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
    """With a bound of 0, every request is admitted."""
    assert _admitted(1000, 0) == (True, ["waited"])


def test_the_bound_is_higher_while_a_bundle_is_loaded() -> None:
    """While a bundle is loaded, requests are admitted up to ten times the bound."""
    assert _admitted(0.2, 0.05, lenient=lambda: True) == (True, ["waited"])
    assert _admitted(0.3, 0.05, lenient=lambda: True) == (False, ["shed"])


async def test_half_of_the_bound_applies_to_a_second_request_in_a_turn() -> None:
    """Past half of the bound, a connection's second request in a turn is refused, and another's first is admitted."""
    clock = Clock()

    admission = Admission(0.05, clock=clock)
    found = [admission.admits(directly=True), admission.admits(directly=True, again=True)]
    clock.now += 0.02
    found += [admission.admits(directly=True, again=True), admission.admits(directly=True)]
    clock.now += 0.02
    assert [*found, admission.admits(directly=True)] == [True, True, False, True, False]


async def test_turns_with_requests_are_counted() -> None:
    """The number of turns stays the same during a turn with requests, and is higher in the next turn."""
    admission = Admission(0.05)
    admission.wait()
    found = [admission.turns]
    admission.wait()
    found.append(admission.turns)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [*found, admission.turns] == [0, 0, 1]


async def test_tasks_delay_only_requests_in_tasks() -> None:
    """A request that is answered as soon as it is read doesn't wait for the tasks that were started before."""
    line = Admission(0.05, clock=Clock())
    for _ in range(1000):
        line.queue()
    assert [line.admits(directly=True), line.admits()] == [True, False]
