"""Measure decisions by size of model and of batch, and the floor of a cached answer: `-m benchmarks.serving.sizes`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Final

import click

from benchmarks.serving import packages
from benchmarks.serving.contenders import ECHO_RAW, OURS_RAW, RECORDED_RAW, Contender, Running, contenders, running
from benchmarks.serving.material import TREES, Material, make_material
from benchmarks.serving.usage import cpu_seconds
from benchmarks.serving.versions import versions
from benchmarks.serving.wrk import full_speed, prepare

OTHER_TREES: Final = (50, 400)
BATCHES: Final = (1, 10, 100, 1000)


@dataclass
class Row:
    """A contender, the decisions of one of its requests, and the rate (decisions/s) and CPU us of one, by round."""

    name: str
    contender: Contender
    decisions: int = 1
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=3.0, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
def main(rounds: int, seconds: float, folder: Path) -> None:
    """Run each on core 0 with the load from core 1, in turns; print decisions a second and ratios to single requests.

    Every request has 50 transactions a customer. A server decides whatever the trees' number is; the echo decides
    nothing. All answers are checked; of a batch, the first one.
    """
    packages.ensure("wrk")
    material = make_material(folder / "material")
    with ExitStack() as stack:
        live: list[tuple[Row, Running, Path]] = []
        servers: dict[tuple[str, ...], Running] = {}
        for number, row in enumerate(_rows(material, folder)):
            command = tuple(row.contender.command)
            if command not in servers:
                servers[command] = stack.enter_context(running(row.contender, folder / f"log-sizes-{number}.txt"))
            server = replace(servers[command], contender=row.contender)
            live.append((row, server, prepare(row.contender, folder / "bodies" / f"sizes-{number}")))
        for number in range(rounds + 1):  # the first warms up
            for row, server, place in live:
                _measure(row, server, place, seconds, counted=number > 0)
    base = next(median(row.cpu_us) for row, _, _ in live if row.name == OURS_RAW)
    click.echo("| one core | decisions/s | CPU us each | decisions a CPU second, ratio |\n|---|---|---|---|")
    for row, _, _ in live:
        each = median(row.cpu_us)
        click.echo(f"| {row.name} | {median(row.rates):,.0f} | {each:,.0f} | {base / each:.2f} |")
    click.echo(f"\nThe key of a cache, SHA-256 of a body: {_hash_us(material):.0f} us. {versions('kserve', 'uvloop')}")


def _rows(material: Material, folder: Path) -> Iterator[Row]:
    found = {one.name: one for one in contenders(material, None)}
    ours = found[OURS_RAW]
    for name in (OURS_RAW, RECORDED_RAW, ECHO_RAW):
        yield Row(name, found[name])
    for trees in OTHER_TREES:
        other = make_material(folder / f"material-{trees}", trees=trees)
        yield Row(
            f"{trees} trees instead of {TREES}", next(one for one in contenders(other, None) if one.name == OURS_RAW)
        )
    bodies = material.raw_bodies()
    for size in BATCHES:
        many = b'{"requests":[' + b",".join(bodies[place % len(bodies)] for place in range(size)) + b"]}"
        yield Row(f"batches of {size:,}", replace(ours, path="/ai/v1/risk:batch", bodies=[many]), size)


def _measure(row: Row, server: Running, place: Path, seconds: float, *, counted: bool) -> None:
    before = cpu_seconds(server.pids())
    # Few connections for batches: their bodies wait in the server.
    connections = 16 if row.decisions == 1 else 2
    ran = full_speed(server.url, row.contender, place, seconds=seconds, connections=connections)
    used = cpu_seconds(server.pids()) - before
    if ran.bad or ran.errors or not ran.requests:
        raise click.ClickException(f"{row.name}: {ran.bad + ran.errors} bad answers; the first: {ran.first}")
    if counted:
        row.rates.append(ran.rate * row.decisions)
        row.cpu_us.append(1e6 * used / (ran.requests * row.decisions))


def _hash_us(material: Material) -> float:
    """Return the microseconds of the SHA-256 of a request's body."""
    bodies, calls = material.raw_bodies(), 20
    began = time.process_time()
    for _ in range(calls):
        for body in bodies:
            hashlib.sha256(body).digest()
    return 1e6 * (time.process_time() - began) / (calls * len(bodies))


if __name__ == "__main__":
    main()
