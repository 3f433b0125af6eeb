"""Measure memory and throughput by number of workers: `.venv/bin/python -m benchmarks.serving.workers [--most 2]`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from benchmarks.serving import packages
from benchmarks.serving.contenders import OURS_RAW, contenders, running
from benchmarks.serving.material import make_material
from benchmarks.serving.usage import memory
from benchmarks.serving.versions import versions
from benchmarks.serving.wrk import full_speed, prepare


@click.command(help=__doc__)
@click.option("--most", default=2, show_default=True)
@click.option("--seconds", default=4.0, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"))
def main(most: int, seconds: float, folder: Path) -> None:
    """Workers and the load share all cores, so rates can be compared only on a machine with more cores."""
    packages.ensure("wrk")
    found = contenders(make_material(folder / "material"), None)
    ours = next(one for one in found if one.name == OURS_RAW)
    click.echo(
        "| workers | req/s, 50 raw transactions | all processes, MB (PSS) | another worker, MB |\n|---|---|---|---|"
    )
    # Workers and load compete for the cores, so requests wait; none may be refused for that.
    settings = folder / "workers.yaml"
    settings.write_text("server: {most_wait_ms: 0}\n")
    before = 0.0
    for number in range(1, most + 1):
        one = replace(ours, command=(*ours.command, "--config", str(settings), "--workers", str(number)))
        with running(one, folder / "log-workers.txt", core=None) as server:
            place = prepare(one, folder / "bodies" / "workers")
            ran = full_speed(server.url, one, place, seconds=seconds, connections=32, core=None)
            if ran.bad or ran.errors:
                raise click.ClickException(f"{ran.bad + ran.errors} bad answers; the first: {ran.first}")
            now = memory(server.pids())["Pss"]
        click.echo(f"| {number} | {ran.rate:,.0f} | {now:,.0f} | {f'{now - before:,.0f}' if before else ''} |")
        before = now
    click.echo(f"\n{versions('kserve', 'uvloop')}")


if __name__ == "__main__":
    main()
