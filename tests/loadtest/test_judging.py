"""The verdicts on made-up runs."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import polars as pl
import pytest

from loadtest.gates import load_gates
from loadtest.generator import SCHEMA
from loadtest.judging import judge
from loadtest.picture import draw
from loadtest.plan import Plan, Stage
from loadtest.replicas import Replicas
from loadtest.timeline import by_second, settled, windows

PLAN = Plan(url="", host="", token_file="", payloads="", stages=(Stage(10, 20), Stage(100, 80)), begins=1e9, folder="")
PODS = [Replicas(1e9 + second, 3 if second < 25 else 6, 3 if second < 40 else 6) for second in range(100)]


def outcomes(*, slow_until: float = 30.0, **changed: object) -> pl.DataFrame:
    """What became of all requests of the plan: 5 ms each, 80 ms from the step until `slow_until` seconds.

    `changed` columns change for one request, late in the run.
    """
    seconds = np.concatenate([np.arange(200) / 10, 20 + np.arange(8000) / 100])
    frame = pl.DataFrame(
        {
            "due": PLAN.begins + seconds,
            "ms": np.where((seconds >= 20) & (seconds < slow_until), 80.0, 5.0),
            "late_ms": np.ones(len(seconds)),
            "kind": ["rows"] * (len(seconds) - 1) + ["batch"],
            "status": [200] * len(seconds),
            "again": [0] * len(seconds),
            "decisions": [1] * len(seconds),
            "failed": [""] * len(seconds),
            "wrong": [""] * len(seconds),
        },
        schema=SCHEMA,
    ).with_columns(second=pl.Series(seconds))
    one = pl.int_range(pl.len()) == 7000
    return frame.with_columns(
        pl.when(one).then(pl.lit(value)).otherwise(name).alias(name) for name, value in changed.items()
    )


def missed(frame: pl.DataFrame, pods: list[Replicas] | None = PODS) -> list[str]:
    """Return the missed gates."""
    return [one.gate for one in judge(frame, PLAN, load_gates(), pods) if one.held is False]


def test_a_step_that_settles_in_time_misses_no_gate():
    """A run that is slow for ten seconds after the step misses no gate, and each gate has its measured value."""
    verdicts = judge(outcomes(), PLAN, load_gates(), PODS)
    assert all(one.held for one in verdicts if one.limit)
    measured = {one.gate: one.measured for one in verdicts}
    assert measured["seconds from the step until p99 stays < 50 ms"] == "10"
    assert measured["pods ready after the step"] == "6"


@pytest.mark.parametrize(
    ("changed", "gate"),
    [
        ({"failed": "503"}, "failed requests"),
        ({"wrong": "no reasons"}, "wrong answers"),
        ({"slow_until": 81.0}, "seconds from the step until p99 stays < 50 ms"),
    ],
)
def test_each_fault_misses_its_gate(changed, gate):
    """One failed request, one wrong answer or one slow second too many misses a gate."""
    assert gate in missed(outcomes(**changed))
    assert missed(outcomes()) == []


def test_faults_of_many_requests_miss_a_gate():
    """A late generator, requests that weren't sent, and many refusals with Retry-After each miss a gate."""
    frame = outcomes()
    assert missed(frame.with_columns(late_ms=pl.lit(100.0))) == ["ms the generator was late, p99"]
    assert missed(frame.gather_every(2)) == ["share of plan sent"]
    assert missed(frame.with_columns(again=pl.lit(1))) == ["share refused with Retry-After"]


def test_speed_without_a_limit_is_printed_and_not_judged():
    """With a limit of null the measured value is shown, the gate is not missed, and every other gate is judged."""
    speed = {"asked_again_share": None, "settled_within_seconds": None, "generator_late_p99_ms": None}
    gates = msgspec.structs.replace(load_gates(), **speed)
    slow = outcomes().with_columns(ms=pl.lit(9000.0), late_ms=pl.lit(9000.0), again=pl.lit(1))
    verdicts = judge(slow, PLAN, gates, PODS)
    told = {one.gate: one.measured for one in verdicts if one.held is None and not one.limit}
    assert told["p99 at 1x"] == "9000.0 ms"
    assert told["seconds from the step until p99 stays < 50 ms"] == "never"
    assert (told["share refused with Retry-After"], told["ms the generator was late, p99"]) == ("1.000", "9000.0")
    assert all(one.held for one in verdicts if one.limit)
    failing = judge(slow.with_columns(failed=pl.lit("503")), PLAN, gates, PODS)
    assert [one.gate for one in failing if one.held is False] == ["failed requests"]


def test_a_slow_first_rate_misses_its_gate():
    """A p99 above the limit before the step misses the gate on it."""
    slow = outcomes().with_columns(ms=pl.when(pl.col("second") < 20).then(70.0).otherwise("ms"))
    assert missed(slow) == ["p99 at 1x"]


def test_too_few_pods_miss_the_gate():
    """Pods counted before the step don't count; without a cluster the gate isn't judged."""
    few = [one._replace(ready=min(one.ready, 3)) for one in PODS]
    assert missed(outcomes(), few) == missed(outcomes(), []) == ["pods ready after the step"]
    verdict = next(one for one in judge(outcomes(), PLAN, load_gates(), None) if one.gate.startswith("pods"))
    assert verdict.held is None


def test_batches_do_not_count_towards_the_p99():
    """A slow batch doesn't count towards the p99."""
    slow = outcomes().with_columns(ms=pl.when(pl.col("kind") == "batch").then(9000.0).otherwise("ms"))
    assert missed(slow) == []


def test_a_failed_request_leaves_its_windows_without_a_p99():
    """The p99 of a window with a failed request is infinite."""
    found = windows(outcomes(failed="refused"), 20, 100, 5)
    assert sum(value == math.inf for value in found.values()) == 5
    assert windows(outcomes().clear(), 0, 5, 5) == {0: math.inf}


def test_settled_is_the_time_of_the_last_slow_window():
    """The last window at or above the limit decides, not the first one below it."""
    assert settled({20: 80.0, 21: 5.0, 22: 50.0, 23: 5.0, 24: 5.0}, 50) == 3
    assert settled({20: 5.0, 21: 5.0}, 50) == 0
    assert settled({20: 5.0, 21: 80.0}, 50) == math.inf


def test_each_second_has_a_row():
    """Each second has a row with planned requests, outcomes and the last count of pods."""
    frame = by_second(outcomes(failed="refused"), PLAN, PODS)
    assert frame["wanted"].to_list() == frame["sent"].to_list() == [10] * 20 + [100] * 80
    assert frame["failed"].sum() == 1
    assert frame.row(25, named=True) | {"p50_ms": 80.0, "p99_ms": 80.0, "replicas_wanted": 6, "replicas_ready": 3} == (
        frame.row(25, named=True)
    )
    assert by_second(outcomes(), PLAN)["replicas_ready"].null_count() == 100


@pytest.mark.parametrize("pods", [PODS, []])
def test_the_picture_is_drawn(tmp_path, pods):
    """The picture is a PNG and an SVG, with a panel for pods if they were counted, even if p99 never settled."""
    draw(by_second(outcomes(), PLAN, pods), step=20, gates=load_gates(), settled=math.inf, folder=tmp_path)
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert ("<!-- pods -->" in (tmp_path / "timeline.svg").read_text()) == bool(pods)
