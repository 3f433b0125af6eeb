"""Measure jobs of 10,000 customers, and latency beside them: `.venv/bin/python -m benchmarks.serving.jobs`.

The server and the worker of jobs share one core; an open-loop client on the other core sends requests.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from benchmarks.serving.contenders import OURS_GIVEN, OURS_RAW, Contender, contenders, running
from benchmarks.serving.material import make_material
from benchmarks.serving.steady import Steady, steady
from benchmarks.serving.versions import versions

ROWS: Final = 10_000
GOALS: Final = {OURS_GIVEN: 1.0, OURS_RAW: 2.0}  # seconds
_PATH: Final = "/ai/v1/risk/jobs"


@click.command(help=__doc__)
@click.option("--runs", default=3, show_default=True)
@click.option("--rate", default=1500.0, show_default=True, help="Requests a second beside the jobs.")
@click.option("--seconds", default=8.0, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"))
def main(runs: int, rate: float, seconds: float, folder: Path) -> None:
    """Exit with 1 if a job takes longer than its goal."""
    found = contenders(make_material(folder / "material"), None)
    missed = False
    with running(found[0], folder / "log-jobs.txt") as server:
        host = f"http://127.0.0.1:{server.port}"
        click.echo(
            "| 10,000 customers, one core | upload s | accepted -> done s | rows/s | goal |\n|---|---|---|---|---|"
        )
        for name, goal in GOALS.items():
            ours = next(one for one in found if one.name == name)
            _run(host, ours, 1000)  # the first compiles and connects
            upload, took = min((_run(host, ours, ROWS) for _ in range(runs)), key=lambda both: both[1])
            missed = missed or took > goal
            verdict = "met" if took <= goal else "missed"
            click.echo(f"| {name} | {upload:.2f} | {took:.2f} | {ROWS / took:,.0f} | {goal:.0f} s: {verdict} |")
        ours = next(one for one in found if one.name == OURS_RAW)
        heads = (f"50 transactions, {rate:,.0f} req/s", "p50 ms", "p99 ms", "p99.9 ms", "failures", "job rows/s")
        click.echo(f"\n| {' | '.join(heads)} |\n{'|---' * 6}|")
        for jobs in (0, 1, 0, 1):
            _beside(host, server.port, ours, rate, seconds, jobs=bool(jobs))
    click.echo(f"\n{versions('kserve', 'numba')}")
    raise SystemExit(missed)


def _beside(host: str, port: int, ours: Contender, rate: float, seconds: float, *, jobs: bool) -> None:
    made = [_submit(host, ours, ROWS) for _ in range(5)] if jobs else []
    before, began = _done(host, made), time.perf_counter()
    ran: Steady = steady(port, ours.path, ours.bodies, rate=rate, seconds=seconds)
    worked = (_done(host, made) - before) / (time.perf_counter() - began)
    for job_id in made:
        _ask("DELETE", f"{host}{_PATH}/{job_id}")
    failures = ran.offered - int((ran.status == 200).sum())
    cells = [f"{ran.percentile(share):.1f}" for share in (50, 99, 99.9)]
    name = "with jobs" if jobs else "without jobs"
    click.echo(f"| {name} | {' | '.join(cells)} | {failures} | {f'{worked:,.0f}' if jobs else ''} |")
    time.sleep(1)


def _run(host: str, ours: Contender, rows: int) -> tuple[float, float]:
    """Return the seconds of the upload, and those from its response to the job's end."""
    began = time.perf_counter()
    job_id = _submit(host, ours, rows)
    accepted = time.perf_counter()
    while (shown := _ask("GET", f"{host}{_PATH}/{job_id}"))["state"] != "done":
        time.sleep(0.02)
    took = time.perf_counter() - accepted
    if (shown["done"], shown["failed"]) != (rows, 0):
        raise click.ClickException(f"{shown['failed']} of {shown['done']} rows failed")
    return accepted - began, took


def _done(host: str, made: Sequence[str]) -> int:
    return sum(_ask("GET", f"{host}{_PATH}/{job_id}")["done"] for job_id in made)


def _submit(host: str, ours: Contender, rows: int) -> str:
    bodies = [json.dumps(json.loads(body), separators=(",", ":")).encode() for body in ours.bodies]
    content = b"\n".join(bodies[row % len(bodies)] for row in range(rows))
    job_id: str = _ask("POST", f"{host}{_PATH}", content)["job_id"]
    return job_id


def _ask(method: str, url: str, content: bytes | None = None) -> dict[str, Any]:
    headers = {"Content-Type": "application/x-ndjson"}
    request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310  our own process
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310  our own process
        answer: dict[str, Any] = json.load(response)
    return answer


if __name__ == "__main__":
    main()
