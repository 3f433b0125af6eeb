"""Compares a run with its gates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from loadtest.gates import Gates, Verdict
from loadtest.plan import Plan
from loadtest.replicas import Replicas
from loadtest.timeline import by_second, settled, windows


def judge(outcomes: pl.DataFrame, plan: Plan, gates: Gates, replicas: Sequence[Replicas] | None) -> list[Verdict]:
    """Return the verdicts on the outcomes of a plan with two stages.

    `replicas` are the numbers of pods during the run; with None, that gate isn't judged. loadtest.records judges the
    gates on records, after the shipper has shipped everything.
    """
    step, whole, window = int(plan.stages[0].seconds), math.ceil(plan.ends - plan.begins), gates.window_seconds
    count = len(outcomes)
    failed, wrong = int((outcomes["failed"] != "").sum()), int((outcomes["wrong"] != "").sum())
    again = int((outcomes["again"] > 0).sum()) / max(1, count)
    before = max(windows(outcomes, window, step, window).values())  # the first window warms up
    took = settled(windows(outcomes, step, whole, window), gates.p99_ms)
    late = _p99(outcomes["late_ms"])
    share = count / sum(by_second(outcomes, plan)["wanted"])
    return [
        _at_most("failed requests", failed, gates.failed_requests, f"{failed} of {count}"),
        _at_most("wrong answers", wrong, gates.wrong_answers, f"{wrong}"),
        _at_most("share refused with Retry-After", again, gates.asked_again_share, f"{again:.3f}"),
        _p99_at_1x(before, gates),
        _at_most(
            f"seconds from the step until p99 stays < {gates.p99_ms:g} ms",
            took,
            gates.settled_within_seconds,
            "never" if took == math.inf else f"{took:.0f}",
        ),
        _replicas(replicas, plan.begins + step, gates),
        _at_most("ms the generator was late, p99", late, gates.generator_late_p99_ms, f"{late:.1f}"),
        Verdict("share of plan sent", f">= {gates.arrivals_share:g}", f"{share:.3f}", share >= gates.arrivals_share),
        Verdict("p99 of batches", "", f"{_p99(outcomes.filter(kind='batch')['ms']):.0f} ms", None),
        Verdict("decisions received", "", f"{outcomes['decisions'].sum()}", None),
    ]


def _p99_at_1x(measured: float, gates: Gates) -> Verdict:
    shown = f"{measured:.1f} ms"
    if gates.settled_within_seconds is None:
        return Verdict("p99 at 1x", "", shown, None)
    return Verdict("p99 at 1x", f"< {gates.p99_ms:g} ms", shown, measured < gates.p99_ms)


def _at_most(gate: str, measured: float, limit: float | None, shown: str) -> Verdict:
    if limit is None:
        return Verdict(gate, "", shown, None)
    return Verdict(gate, f"<= {limit:g}", shown, measured <= limit)


def _replicas(replicas: Sequence[Replicas] | None, step: float, gates: Gates) -> Verdict:
    limit = f">= {gates.replicas_at_least}"
    if replicas is None:
        return Verdict("pods ready after the step", limit, "not counted", None)
    ready = max((one.ready for one in replicas if one.at >= step), default=0)
    return Verdict("pods ready after the step", limit, f"{ready}", ready >= gates.replicas_at_least)


def _p99(values: pl.Series) -> float:
    return float(np.percentile(values.to_numpy(), 99)) if len(values) else math.inf
