"""Measure a shipper's CPU time beside a server at full rate: `.venv/bin/python -m benchmarks.serving.shipper_cpu`.

The server records every answer. Its shipper runs on the same core and ships to a folder of Parquet. wrk runs on another
core and sends requests as fast as the server answers. Processor time counts from the first request until everything is
shipped; it doesn't include the start of the server and of the shipper.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import Final

import click
import msgspec

from benchmarks.serving.contenders import RECORDED_GIVEN, RECORDED_RAW, Contender, Running, contenders, running
from benchmarks.serving.material import make_material
from benchmarks.serving.usage import cpu_seconds
from benchmarks.serving.versions import versions
from benchmarks.serving.wrk import full_speed, prepare

GOAL: Final = 0.3  # the shipper's processor time, at most, as a share of the server's
_PATIENCE: Final = 600.0  # seconds


@click.command(help=__doc__)
@click.option("--seconds", default=10.0, show_default=True, help="Seconds of full load.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
def main(seconds: float, folder: Path) -> None:
    """Measure both kinds of request; end with exit code 1 if the goal is missed."""
    found = {each.name: each for each in contenders(make_material(folder / "material"), None)}
    missed = False
    click.echo("| one core | decisions/s | server CPU us each | shipper CPU us each | shipper / server | goal |")
    click.echo("|---|---|---|---|---|---|")
    for name in (RECORDED_GIVEN, RECORDED_RAW):
        asked, server, shipper = _measure(found[name], folder.absolute() / "shipper-cpu", seconds)
        missed |= shipper / server > GOAL
        rate, each = asked / seconds, 1e6 / asked
        cells = f"{rate:,.0f} | {server * each:.0f} | {shipper * each:.0f} | {shipper / server:.2f} | {GOAL}"
        click.echo(f"| {name} | {cells} |")
    click.echo(f"\n{versions('duckdb')}")
    raise SystemExit(missed)


def _measure(contender: Contender, folder: Path, seconds: float) -> tuple[int, float, float]:
    """Return the number of decisions, and the seconds of processor time of the server and of its shipper."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings, outbox = folder / "serving.yaml", folder / "outbox"
    sink = {"type": "folder", "path": str(folder / "record")}
    settings.write_text(json.dumps({"record": {"enabled": True, "folder": str(outbox), "ship": {"sinks": [sink]}}}))
    shipping = dataclasses.replace(contender, command=(*contender.command[:-1], str(settings)))
    with running(shipping, folder / "log") as server:
        while _lag(outbox) is None:
            time.sleep(0.1)
        pids = server.pids()
        (shipper,) = (pid for pid in pids if b"record.shipper" in Path(f"/proc/{pid}/cmdline").read_bytes())
        others = [pid for pid in pids if pid != shipper]
        before = cpu_seconds(others), cpu_seconds([shipper])
        run = full_speed(server.url, shipping, prepare(shipping, folder / "bodies"), seconds=seconds)
        if run.bad or run.errors:
            raise click.ClickException(f"{run.bad} wrong answers, {run.errors} errors; {run.first}")
        _until_shipped(server, outbox)
        return run.requests, cpu_seconds(others) - before[0], cpu_seconds([shipper]) - before[1]


def _lag(outbox: Path) -> int | None:
    """Return how many records aren't shipped; None before the shipper's first status."""
    try:
        status = msgspec.json.decode((outbox / "status.json").read_bytes())
    except FileNotFoundError:
        return None
    return sum(int(sink["lag_records"]) for sink in status["sinks"].values())


def _until_shipped(server: Running, outbox: Path) -> None:
    """Wait until two statuses in a row say that everything is shipped: a status may be older than the last records."""
    deadline, empty = time.monotonic() + _PATIENCE, 0
    while empty < 2:
        if time.monotonic() > deadline or server.process.poll() is not None:
            raise click.ClickException(f"{_lag(outbox)} records were not shipped")
        time.sleep(3)
        empty = 0 if _lag(outbox) else empty + 1


if __name__ == "__main__":
    main()
