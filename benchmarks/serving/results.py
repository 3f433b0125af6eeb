"""The results as a table with ratios, and the missed goals."""

from __future__ import annotations

from statistics import median
from typing import Final

import msgspec

from benchmarks.serving.contenders import CONTRIBS, OURS_GIVEN, OURS_RAW, RECORDED_GIVEN, RECORDED_RAW, STOCK

WORST_P99: Final = 10.0  # ms
RATES: Final = {OURS_GIVEN: 10_000.0, OURS_RAW: 7_000.0, RECORDED_GIVEN: 9_000.0, RECORDED_RAW: 6_000.0}
RATIOS: Final = {STOCK: 10.0, CONTRIBS: 60.0}


class Measured(msgspec.Struct, kw_only=True):
    """The figures of a contender; `failed` says why there are none.

    rates         requests a second at full speed, by round
    cpu_us        microseconds of the server's CPU time for a request, by round
    bad           wrong or missing answers, of `requests`
    latency       milliseconds by percentile, from the due time of each request, at `offered` requests a second
    memory        resident MB at the end
    """

    name: str
    rates: list[float] = msgspec.field(default_factory=list)
    cpu_us: list[float] = msgspec.field(default_factory=list)
    requests: int = 0
    bad: int = 0
    first_bad: str = ""
    latency: dict[str, float] = msgspec.field(default_factory=dict)
    offered: float = 0.0
    client_late: float = 0.0
    memory: float = 0.0
    failed: str = ""

    @property
    def rate(self) -> float:
        """Median requests a second."""
        return median(self.rates) if self.rates else 0.0


def table(results: list[Measured]) -> str:
    """Return the Markdown table; "ours is" is the ratio of our rate with features given to the line's rate."""
    ours = next((one.rate for one in results if one.name == OURS_GIVEN), 0.0)
    heads = (
        "one core",
        "req/s",
        "rounds from-to",
        "us CPU a request",
        "ours is",
        "p50 / p99 / p99.9 ms",
        "at req/s",
        "MB",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for one in results:
        if one.failed:
            lines.append(f"| {one.name} | {one.failed} |" + " |" * (len(heads) - 2))
            continue
        ratio = f"{ours / one.rate:.1f} x" if one.rate else ""
        waits = " / ".join(f"{one.latency[name]:.1f}" for name in ("p50", "p99", "p99.9")) if one.latency else ""
        cells = (
            one.name,
            f"{one.rate:,.0f}",
            f"{min(one.rates):,.0f}-{max(one.rates):,.0f}",
            f"{median(one.cpu_us):,.0f}",
            ratio,
            waits,
            f"{one.offered:,.0f}",
            f"{one.memory:,.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def missed(results: list[Measured]) -> list[str]:
    """Return the missed goals, and wrong answers; a peer without figures misses its goal."""
    by_name = {one.name: one for one in results}
    faults = [
        f"{one.name}: {one.bad} of {one.requests} answers were wrong or missing; the first: {one.first_bad}"
        for one in results
        if one.bad
    ]
    for name, goal in RATES.items():
        one = by_name.get(name)
        if one is None or one.rate < goal:
            faults.append(f"{name}: {one.rate if one else 0:,.0f} requests a second, the goal is {goal:,.0f}")
        p99 = one.latency.get("p99", float("inf")) if one else float("inf")
        if p99 >= WORST_P99:
            faults.append(f"{name}: p99 {p99:.1f} ms at 16 connections, the goal is less than {WORST_P99:.0f}")
    ours = by_name[OURS_GIVEN].rate if OURS_GIVEN in by_name else 0.0
    for name, goal in RATIOS.items():
        peer = by_name.get(name)
        if peer is None or not peer.rate:
            faults.append(f"{name}: not measured, so there is no ratio")
        elif ours / peer.rate < goal:
            faults.append(f"{ours / peer.rate:.1f} times {name}, the goal is {goal:.0f}")
    return faults
