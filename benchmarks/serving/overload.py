"""Send more requests than the server can answer: `.venv/bin/python -m benchmarks.serving.overload`.

A thousand callers wait for a random time between two requests, so that arrivals don't depend on the time of answers.
The offered rate is that of the requests that were sent.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np

from benchmarks.serving import packages
from benchmarks.serving.contenders import OURS_RAW, contenders, running
from benchmarks.serving.material import make_material
from benchmarks.serving.versions import versions
from benchmarks.serving.wrk import full_speed, prepare

GOAL = 0.9  # of the sustainable rate, at three times that
TIMES = (1.5, 2.0, 3.0)
LATENCY = 0.045  # approximate seconds of an answer under overload, which are subtracted from the callers' waits
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@click.command(help=__doc__)
@click.option("--seconds", default=8.0, show_default=True)
@click.option("--callers", default=1000, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"))
def main(seconds: float, callers: int, folder: Path) -> None:
    """Exit with 1 if goodput (answers with 200) is below its goal or a readiness probe failed."""
    wrk = packages.ensure("wrk")
    found = contenders(make_material(folder / "material"), None)
    ours = next(one for one in found if one.name == OURS_RAW)
    heads = ("sustainable, req/s", "sent", "times", "goodput", "of sustainable", "shed", "p99 of all, ms")
    click.echo(f"| {' | '.join((*heads, 'readiness p99 / worst, ms', 'its failures'))} |\n{'|---' * 9}|")
    missed = False
    with running(ours, folder / "log-overload.txt") as server:
        place = prepare(ours, folder / "bodies" / "overload")
        full_speed(server.url, ours, place, seconds=1)
        sustained = full_speed(server.url, ours, place, seconds=seconds / 2).rate
        body = folder / "overload.json"
        body.write_bytes(ours.bodies[0])
        for times in TIMES:
            thinking = 1000 * max(0.001, callers / (times * sustained) - LATENCY)
            environment = os.environ | {"BODY": str(body), "THINKING_MS": f"{thinking:.2f}"}
            command = [
                "taskset", "-c", "1", wrk, "-t1", f"-c{callers}", f"-d{seconds:.0f}s", "--latency",
                "-s", str(Path(__file__).with_name("crowd.lua")), f"http://127.0.0.1:{server.port}{ours.path}",
            ]  # fmt: skip
            with ThreadPoolExecutor(1) as pool:
                load = pool.submit(subprocess.run, command, capture_output=True, text=True, check=True, env=environment)
                probes, failed = _probe(f"http://127.0.0.1:{server.port}{ours.ready}", lambda: not load.done())  # noqa: B023  the call ends within this iteration
                said = load.result().stdout
            sent, refused, late = _read(said)
            goodput = (sent - refused) / seconds
            cells = (
                f"{sustained:,.0f}",
                f"{sent / seconds:,.0f}",
                f"{sent / seconds / sustained:.1f}",
                f"{goodput:,.0f}",
                f"{goodput / sustained:.0%}",
                f"{refused / sent:.0%}",
                f"{late:.0f}",
                f"{np.percentile(probes, 99):.0f} / {max(probes):.0f}",
                f"{failed}",
            )
            click.echo(f"| {' | '.join(cells)} |")
            missed = missed or failed > 0 or (times == TIMES[-1] and goodput < GOAL * sustained)
    click.echo(f"\n{versions('kserve', 'uvloop')}")
    raise SystemExit(missed)


def _read(said: str) -> tuple[int, int, float]:
    """Return from wrk's summary the requests sent, those without a 200, and the 99th percentile in milliseconds."""
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    sent, late = re.search(r"(\d+) requests in", said), re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    if sent is None or late is None:
        raise RuntimeError(f"unexpected output of wrk:\n{said}")
    return int(sent[1]), int(refused[1]) if refused else 0, float(late[1]) * _UNITS[late[2]]


def _probe(url: str, going: Callable[[], bool]) -> tuple[list[float], int]:
    """Request readiness 20 times a second on new connections; return the milliseconds and the number of failures."""
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
