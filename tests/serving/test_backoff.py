"""The waits between attempts at something that fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from customer_risk.serving.backoff import Backoff

_ROOT = Path(__file__).parents[2]


def test_waits_double_up_to_the_longest() -> None:
    """Each wait is twice the one before until the longest is reached."""
    backoff = Backoff(0.5, 3)
    assert [backoff.next() for _ in range(5)] == [0.5, 1, 2, 3, 3]


def test_a_reset_begins_with_the_first_wait() -> None:
    """After a reset, the next wait is the first one again."""
    backoff = Backoff(0.5, 30)
    for _ in range(4):
        backoff.next()
    backoff.reset()
    assert backoff.next() == 0.5


def test_a_bound_holds_for_one_wait_alone() -> None:
    """A bound on one wait doesn't change later waits."""
    backoff = Backoff(4, 30)
    assert [backoff.next(most=1), backoff.next()] == [1, 8]


def test_jitter_shortens_a_wait_by_half_at_most() -> None:
    """A wait with jitter is a random time between half of the wait and the whole wait."""
    backoff = Backoff(8, 8, jitter=True)
    waits = {backoff.next() for _ in range(100)}
    assert len(waits) > 1
    assert min(waits) >= 4
    assert max(waits) <= 8


@pytest.mark.parametrize("failures", [1_024, 5_000])
def test_waits_are_bounded_after_thousands_of_failures(failures) -> None:
    """After thousands of failures, the wait is the longest one."""
    backoff = Backoff(0.25, 30)
    assert [backoff.next() for _ in range(failures)][-1] == 30


@pytest.mark.parametrize("folder", ["serving", "model", "k8s", "loadtest", "client"])
def test_nothing_else_computes_waits_by_a_power(folder) -> None:
    """No other code computes a wait as a power of two, which would overflow."""
    power = re.compile(r"\b2(\.0)? ?\*\* ?\(?(min\()?[a-z_]*\.?(attempt|death|failure|tr(y|ies)|time)")
    assert not [path for path in (_ROOT / folder).rglob("*.py") if power.search(path.read_text(encoding="utf-8"))]
