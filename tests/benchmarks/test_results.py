"""The table of results and its goals."""

from __future__ import annotations

from benchmarks.serving.contenders import CONTRIBS, OURS_GIVEN, OURS_RAW, RECORDED_GIVEN, RECORDED_RAW, STOCK
from benchmarks.serving.results import Measured, missed, table


def _results(**rates: float) -> list[Measured]:
    recorded = {RECORDED_GIVEN: 10_000.0, RECORDED_RAW: 7_000.0}
    wanted = recorded | {OURS_GIVEN: 12_000.0, OURS_RAW: 8_000.0, STOCK: 900.0, CONTRIBS: 150.0} | rates
    latency = {"p50": 1.0, "p99": 2.0, "p99.9": 3.0}
    return [Measured(name=name, rates=[rate], cpu_us=[80.0], latency=latency) for name, rate in wanted.items()]


def test_no_goal_is_missed():
    """Figures beyond every goal miss none."""
    assert missed(_results()) == []


def test_a_slow_rate_is_named():
    """A rate below its goal is named with both figures."""
    assert any("6,000" in fault and "7,000" in fault for fault in missed(_results(**{OURS_RAW: 6_000.0})))


def test_a_ratio_below_its_goal_is_named():
    """A ratio to a peer that is below its goal is named."""
    assert missed(_results(**{STOCK: 2_000.0})) == [f"6.0 times {STOCK}, the goal is 10"]


def test_wrong_answers_miss_the_goals():
    """Wrong answers miss the goals, and the first one is shown."""
    results = _results()
    results[0].bad, results[0].first_bad = 3, "503 busy"
    assert "503 busy" in missed(results)[0]


def test_an_unmeasured_peer_misses_its_goal():
    """A peer without figures leaves its goal missed."""
    assert any(STOCK in fault for fault in missed([one for one in _results() if one.name != STOCK]))


def test_the_table_says_why_a_peer_has_no_figures():
    """A contender that failed keeps its line, with the reason."""
    assert "| MLServer | doesn't install |" in table([*_results(), Measured(name="MLServer", failed="doesn't install")])
