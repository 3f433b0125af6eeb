"""The seconds of a run, and when its latency settled after the step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from loadtest.payloads import SHARES
from loadtest.plan import Plan
from loadtest.replicas import Replicas

SINGLES = tuple(kind for kind in SHARES if kind != "batch")


def by_second(outcomes: pl.DataFrame, plan: Plan, replicas: Sequence[Replicas] = ()) -> pl.DataFrame:
    """Return a row for each second of the plan; a request belongs to the second in which it was due.

    wanted      requests that the plan has in this second
    sent, failed, wrong, asked_again, decisions   requests due in it, and their outcomes
    p50_ms, p99_ms  of single requests, null if there were none
    replicas_wanted, replicas_ready  the latest count at its end; null without one
    """
    seconds = math.ceil(plan.ends - plan.begins)
    single = pl.col("kind").is_in(SINGLES)
    counted = outcomes.group_by(pl.col("second").floor().cast(pl.Int64)).agg(
        sent=pl.len(),
        failed=(pl.col("failed") != "").sum(),
        wrong=(pl.col("wrong") != "").sum(),
        asked_again=(pl.col("again") > 0).sum(),
        decisions=pl.col("decisions").sum(),
        p50_ms=pl.col("ms").filter(single).quantile(0.5, "linear"),
        p99_ms=pl.col("ms").filter(single).quantile(0.99, "linear"),
    )
    counts = ("sent", "failed", "wrong", "asked_again", "decisions")
    frame = pl.DataFrame({"second": range(seconds), "wanted": _wanted(plan, seconds)}).join(
        counted, on="second", how="left", maintain_order="left"
    )
    looked = [_latest(replicas, plan.begins + second + 1) for second in range(seconds)]
    return frame.with_columns(
        *(pl.col(name).fill_null(0) for name in counts),
        pl.Series("replicas_wanted", [one and one.wanted for one in looked], pl.Int64),
        pl.Series("replicas_ready", [one and one.ready for one in looked], pl.Int64),
    )


def windows(outcomes: pl.DataFrame, begin: int, end: int, seconds: int) -> dict[int, float]:
    """Return the p99 in ms of single requests due in [s, s + seconds), for each whole s that fits `begin` to `end`.

    The p99 of an empty window, and of one with a failed request, is infinite.
    """
    singles = outcomes.filter(pl.col("kind").is_in(SINGLES))
    due = singles["second"].to_numpy()
    took = np.where((singles["failed"] == "").to_numpy(), singles["ms"].to_numpy(), np.inf)
    found = {}
    for first in range(begin, end - seconds + 1):
        inside = took[np.searchsorted(due, first) : np.searchsorted(due, first + seconds)]
        found[first] = float(np.percentile(inside, 99)) if inside.size and np.isfinite(inside).all() else math.inf
    return found


def settled(found: dict[int, float], limit: float) -> float:
    """Return the seconds from the first window to the one from which all are below the limit; infinite without one."""
    calm = math.inf
    for first in sorted(found, reverse=True):
        if found[first] >= limit:
            break
        calm = first - min(found)
    return calm


def _wanted(plan: Plan, seconds: int) -> list[int]:
    """Return the planned requests of each second, rounded: callers begin at random points of their interval."""
    edges, rate, begin = [], 0.0, 0.0
    for stage in plan.stages:
        edges.append((begin, stage.rate))
        begin += stage.seconds
    wanted = []
    for second in range(seconds):
        rate = next(rate for start, rate in reversed(edges) if start <= second)
        wanted.append(round(rate * min(1.0, begin - second)))
    return wanted


def _latest(replicas: Sequence[Replicas], until: float) -> Replicas | None:
    seen = [one for one in replicas if one.at <= until]
    return seen[-1] if seen else None
