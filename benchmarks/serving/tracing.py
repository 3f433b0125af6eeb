"""Measure what spans cost: `.venv/bin/python -m benchmarks.serving.tracing --before CHECKOUT`.

One server at a time has one core and wrk the other, in alternating rounds: without spans, with a hundredth of the calls
traced, with all of them, and, with `--before`, the code of another checkout (with its `.venv`) that can't trace.
The collector is a gRPC server on the core of wrk.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.serving.contenders import CLIENT_CORE, OURS_RAW, Running, contenders, earlier, free_port, running
from benchmarks.serving.material import make_material
from benchmarks.serving.versions import versions
from benchmarks.serving.wrk import full_speed, prepare

_COLLECTOR = """
import sys, threading
from tests.system.collector import collecting
with collecting(int(sys.argv[1])):
    threading.Event().wait()
"""


@click.command(help=__doc__)
@click.option("--before", type=click.Path(path_type=Path, exists=True))
@click.option("--rounds", default=12, show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="Seconds of a round.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
def main(before: Path | None, rounds: int, seconds: float, folder: Path) -> None:
    """Print a table."""
    found = contenders(make_material(folder / "material"), None)
    ours = next(each for each in found if each.name == OURS_RAW)
    port = free_port()
    made = {"no spans": ours}
    for name, share in (("1% of the calls", 0.01), ("all calls", 1)):
        settings = folder / f"tracing-{share}.yaml"
        settings.write_text(json.dumps({"tracing": {"endpoint": f"http://127.0.0.1:{port}", "share": share}}))
        made[name] = replace(ours, command=(*ours.command, "--config", str(settings)))
    if before is not None:
        made["before"] = next(each for each in earlier(found, before) if each.name == f"{OURS_RAW}, before")
    bodies = prepare(ours, folder / "tracing")
    command = ["taskset", "-c", str(CLIENT_CORE), sys.executable, "-c", _COLLECTOR, str(port)]
    collector = subprocess.Popen(command)  # noqa: S603  our own words
    rates: dict[str, list[float]] = {name: [] for name in made}
    try:
        with ExitStack() as stack:
            started: dict[str, Running] = {
                name: stack.enter_context(running(each, folder / f"log-tracing-{place}.txt"))
                for place, (name, each) in enumerate(made.items())
            }
            for turn, (name, server) in itertools.product(range(rounds + 1), started.items()):
                rate = full_speed(server.url, ours, bodies, seconds=seconds).rate
                if turn:  # the first round warms up
                    rates[name].append(rate)
    finally:
        collector.kill()
        collector.wait()
    click.echo(f"| spans | requests/s, median | ratio to no spans, mean of {rounds} rounds |")
    click.echo("|---|---|---|")
    for name, each in rates.items():
        ratios = [one / none for one, none in zip(each, rates["no spans"], strict=True)]
        spread = 2 * statistics.stdev(ratios) / len(ratios) ** 0.5
        click.echo(f"| {name} | {statistics.median(each):,.0f} | {statistics.mean(ratios):.3f} +- {spread:.3f} |")
    click.echo(f"\n{versions('opentelemetry-sdk', 'grpcio')}")


if __name__ == "__main__":
    main()
