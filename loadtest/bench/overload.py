"""Three times what it can sustain, by an open-loop client: `.venv/bin/python -m loadtest.bench.overload`."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np

from loadtest.bench import packages
from loadtest.bench.contenders import OURS_RAW, contenders, running
from loadtest.bench.material import make_material
from loadtest.bench.steady import steady
from loadtest.bench.wrk import full_speed, prepare

IN_TIME = 100.0  # ms from when a request was due
GOAL = 0.9  # of the sustainable rate


@click.command(help=__doc__)
@click.option("--seconds", default=8.0, show_default=True)
@click.option("--connections", default=256, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"))
def main(seconds: float, connections: int, folder: Path) -> None:
    """Goodput counts answers with 200 within 100 ms; ends with 1 where it is below 0.9 of the sustainable rate."""
    packages.ensure("wrk")
    found = contenders(make_material(folder / "material"), None)
    ours = next(one for one in found if one.name == OURS_RAW)
    with running(ours, folder / "log-overload.txt") as server, ThreadPoolExecutor(1) as pool:
        place = prepare(ours, folder / "bodies" / "overload")
        full_speed(server.url, ours, place, seconds=1)
        sustained = full_speed(server.url, ours, place, seconds=seconds / 2).rate
        load = pool.submit(
            steady,
            server.port,
            ours.path,
            ours.bodies,
            rate=3 * sustained,
            seconds=seconds,
            connections=connections,
            give_up=0.01,
        )
        probes, failed = _probe(f"http://127.0.0.1:{server.port}{ours.ready}", lambda: not load.done())
        ran = load.result()
    goodput = int(((ran.status == 200) & (ran.milliseconds <= IN_TIME)).sum()) / seconds
    shed = float((ran.status == 503).mean()) if ran.status.size else 0.0
    heads = ("sustainable, req/s", "offered / sent", "goodput", "of sustainable", "shed", "readiness p99 / worst")
    click.echo(f"| {' | '.join((*heads, 'its failures'))} |\n{'|---' * 7}|")
    cells = (
        f"{sustained:,.0f}",
        f"{ran.offered / seconds:,.0f} / {ran.sent / seconds:,.0f}",
        f"{goodput:,.0f}",
        f"{goodput / sustained:.0%}",
        f"{shed:.0%}",
        f"{np.percentile(probes, 99):.0f} / {max(probes):.0f}",
        f"{failed}",
    )
    click.echo(f"| {' | '.join(cells)} |")
    raise SystemExit(goodput < GOAL * sustained or failed > 0)


def _probe(url: str, going: Callable[[], bool]) -> tuple[list[float], int]:
    """Ask for readiness twenty times a second, each on a new connection; milliseconds, and failures."""
    took, failed = [0.0], 0
    while going():
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310  our own process
                took.append(1000 * (time.perf_counter() - began))
        except OSError:
            failed += 1
        time.sleep(0.05)
    return took, failed


if __name__ == "__main__":
    main()
