"""When requests are due."""

from __future__ import annotations

import pytest

from loadtest.plan import CALLERS, Plan, Stage


def plan(*stages: Stage, processes: int = 1) -> Plan:
    """A plan that begins at second 1000."""
    return Plan(
        url="", host="", token_file="", payloads="", stages=stages, begins=1000.0, processes=processes, folder=""
    )


STEP = plan(Stage(20, 10), Stage(200, 5))


def test_arrivals_have_the_rate_of_their_stage():
    """All callers together send at the rate of each stage, in every second of it."""
    dues = [due for caller in range(10 * CALLERS) for due in STEP.dues(caller, caller % 7 / 7)]
    by_second = [sum(second <= due - 1000 < second + 1 for due in dues) for second in range(15)]
    assert by_second == [20] * 10 + [200] * 5
    assert len(dues) == 20 * 10 + 200 * 5


def test_no_request_is_due_after_the_end():
    """No request is due after the end of the plan."""
    assert max(max(STEP.dues(caller, 0.99)) for caller in range(10 * CALLERS)) < STEP.ends == 1015


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_share_the_callers(processes):
    """However many processes there are, together they have the callers of the stage."""
    shared = plan(*STEP.stages, processes=processes)
    for moment, callers in [(990, CALLERS), (1009.9, CALLERS), (1010, 10 * CALLERS), (2000, 10 * CALLERS)]:
        assert sum(shared.mine(moment, part) for part in range(processes)) == callers
