# ruff: noqa: INP001  a script
"""Time the counting of one decision, beside prometheus_client's own counters; prints a Markdown table.

.venv/bin/python benchmarks/metrics.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import click

from benchmarks.serving.versions import versions
from customer_risk.model.features.input_warning import InputWarning
from customer_risk.serving.telemetry.metrics_folder import prepare

CALLS, ROUNDS = 2_000, 15


@click.command(help=__doc__)
def main() -> None:
    """Time both in turn; the fastest round of each counts."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        from prometheus_client import Counter, Histogram  # noqa: PLC0415  only after `prepare`

        from customer_risk.serving.telemetry.metrics import Metrics  # noqa: PLC0415  likewise

        ours, decision = Metrics(), SimpleNamespace(segment="high", action="review", source="model")
        decision.decision = decision
        decision.warnings = (InputWarning("UNKNOWN_CATEGORY", "/profile/occupation", ""),)
        seconds = Histogram("peer_seconds", "As ours.", ("route",))
        counters = [Counter(f"peer_{place}", "As ours.", ("a", "b")) for place in range(3)]

        def record() -> None:
            ours.waited(0.0001)
            ours.decided(decision)  # type: ignore[arg-type]  # it has the fields that are read
            ours.responded("/ai/v1/risk", 200, 0.0002)

        def peer() -> None:
            seconds.labels("wait").observe(0.0001)
            for counter in counters:
                counter.labels("x", "y").inc()
            seconds.labels("/ai/v1/risk").observe(0.0002)

        took = {name: min(_each(call) for _ in range(ROUNDS)) for name, call in (("ours", record), ("peer", peer))}
    click.echo("| counting one decision with a warning | us | ours is |\n|---|---|---|")
    click.echo(f"| ours, counted in the process and written every half second | {took['ours'] * 1e6:.1f} | 1.0 x |")
    times = took["peer"] / took["ours"]
    click.echo(f"| prometheus_client's counters in shared files | {took['peer'] * 1e6:.1f} | {times:.1f} x |")
    click.echo(f"\n{versions('prometheus-client')}")


def _each(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS


if __name__ == "__main__":
    main()
