"""Starts every contender, compares its answers, and measures all in turn, round by round."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.contenders import Contender, Running, running
from benchmarks.serving.results import Measured
from benchmarks.serving.steady import steady
from benchmarks.serving.usage import cpu_seconds, memory
from benchmarks.serving.wrk import full_speed, prepare

TOLERANCE: Final = 1e-6  # between a probability and the booster's
SHARE: Final = 0.7  # of the greatest rate, when latency is measured

Say = Callable[[str], object]


def measure(
    found: Sequence[Contender],
    expected: NDArray[np.float64],
    folder: Path,
    *,
    rounds: int,
    seconds: float,
    latency_seconds: float,
    say: Say,
) -> list[Measured]:
    """Return the contenders' results; one that doesn't start or answers wrongly has the reason instead of figures."""
    results = [Measured(name=one.name) for one in found]
    live: list[tuple[Running, Measured]] = []
    with ExitStack() as stack:
        shared: dict[tuple[str, ...], Running] = {}
        for one, result in zip(found, results, strict=True):
            command = tuple(one.command)
            try:
                if command not in shared:
                    say(f"starting {one.name}")
                    shared[command] = stack.enter_context(running(one, folder / f"log-{len(shared)}.txt"))
                base = shared[command]
                mine = Running(one, base.process, base.port, base.started)
                compare(mine, expected)
            except (RuntimeError, OSError) as error:
                result.failed = str(error)
                say(f"{one.name}: {error}")
                continue
            prepare(one, _bodies(folder, one))
            live.append((mine, result))
        for number in range(rounds + 1):  # the first warms up
            for mine, result in live:
                _full_round(mine, result, folder, seconds if number else min(seconds, 2.0), counted=number > 0)
            say(f"round {number} of {rounds}: " + ", ".join(f"{result.rate:,.0f}" for _, result in live))
        for mine, result in live:
            rate = SHARE * result.rate
            ran = steady(
                mine.port, mine.contender.path, mine.contender.bodies, rate=max(1.0, rate), seconds=latency_seconds
            )
            result.offered, result.client_late = rate, ran.late
            result.latency = {f"p{share}": ran.percentile(share) for share in (50, 99, 99.9)}
            refused = int((ran.status != 200).sum()) + ran.offered - len(ran.status)
            if refused:
                result.bad += refused
                result.first_bad = (
                    result.first_bad or f"{refused} of {ran.offered} not answered 200 at {rate:,.0f} a second"
                )
            result.requests += ran.offered
            result.memory = memory(mine.pids())["Rss"]
            say(f"latency of {result.name}: p99 {result.latency['p99']:.1f} ms at {rate:,.0f} a second")
    return results


def _full_round(mine: Running, result: Measured, folder: Path, seconds: float, *, counted: bool) -> None:
    before = cpu_seconds(mine.pids())
    ran = full_speed(mine.url, mine.contender, _bodies(folder, mine.contender), seconds=seconds)
    used = cpu_seconds(mine.pids()) - before
    if counted:
        result.rates.append(ran.rate)
        result.cpu_us.append(1e6 * used / max(1, ran.requests))
    result.requests += ran.requests
    result.bad += ran.bad + ran.errors
    result.first_bad = result.first_bad or ran.first


def compare(mine: Running, expected: NDArray[np.float64]) -> None:
    """Send each customer's request once; raises RuntimeError if a probability differs from the booster's."""
    if mine.contender.mark is None:
        return
    for body, wanted in zip(mine.contender.bodies, expected, strict=True):
        request = urllib.request.Request(mine.url, body, {"Content-Type": "application/json"})  # noqa: S310  our own process
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                got = probability(json.load(answer))
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"answers {error.code}: {error.read(300).decode(errors='replace')}") from error
        if not abs(got - wanted) <= TOLERANCE:
            raise RuntimeError(f"answers {got}, the booster {wanted}")


def probability(document: Any) -> float:
    """Return the probability in an answer of any contender."""
    if "predictions" in document:
        return float(document["predictions"][0])
    if "outputs" in document:
        return float(document["outputs"][0]["data"][0])
    return float(document["probability"])


def _bodies(folder: Path, one: Contender) -> Path:
    return folder / "bodies" / "".join(letter if letter.isalnum() else "-" for letter in one.name)
