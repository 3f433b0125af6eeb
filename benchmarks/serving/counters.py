"""Measure the counters endpoint: `.venv/bin/python -m benchmarks.serving.counters`.

The delay is the time from a decision's answer to the first read of `/ai/v1/counters` that counts it; a server of two
workers is asked on one connection and read on another, quiet and at full load; the load has no decision of the action
that is waited for. The cost is the rate at full load on
one core while another client reads ten times a second, as a ratio of the rate without it, in alternating rounds.
"""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.serving.contenders import OURS_RAW, Contender, contenders, running
from benchmarks.serving.material import make_material
from benchmarks.serving.versions import versions
from benchmarks.serving.wrk import full_speed, prepare

_PATH = "/ai/v1/counters"
_PROPOSED = "propose_off_boarding"
_GOAL = 100.0  # milliseconds


@click.command(help=__doc__)
@click.option("--decisions", default=500, show_default=True)
@click.option("--rounds", default=10, show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="Seconds of a round.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
def main(decisions: int, rounds: int, seconds: float, folder: Path) -> None:
    """Exit with status 1 if a decision is counted later than the goal while the server is quiet."""
    one = next(each for each in contenders(make_material(folder / "material"), None) if each.name == OURS_RAW)
    two = replace(one, command=(*one.command, "--workers", "2"))
    click.echo("| decision -> count, two workers | median, ms | p99, ms | longest, ms |")
    click.echo("|---|---|---|---|")
    with running(two, folder / "log-counters.txt", core=None) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        pairs = [
            (_post(connection, one.path, body), body, text) for body, text in zip(one.bodies, one.texts, strict=True)
        ]
        proposing = next(body for action, body, _ in pairs if action == _PROPOSED)
        others = [(body, text) for action, body, text in pairs if action != _PROPOSED]
        load = replace(one, bodies=[body for body, _ in others], texts=[text for _, text in others])
        bodies = prepare(load, folder / "counters")
        quiet = _row("quiet", _delays(server.port, one.path, proposing, decisions))
        with _loaded(server.url, load, bodies):
            _row("at full load", _delays(server.port, one.path, proposing, decisions))
    rates: dict[bool, list[float]] = {False: [], True: []}
    with running(one, folder / "log-counters.txt") as server:
        full_speed(server.url, load, bodies, seconds=seconds)
        for turn in range(2 * rounds):
            reads = bool(turn % 2)
            with _reading(server.port, reads=reads):
                rates[reads].append(full_speed(server.url, load, bodies, seconds=seconds).rate)
    ratios = [with_ / without for without, with_ in zip(rates[False], rates[True], strict=True)]
    middle, spread = statistics.mean(ratios), 2 * statistics.stdev(ratios) / len(ratios) ** 0.5
    click.echo("\n| one core, full load | requests/s |\n|---|---|")
    click.echo(f"| without reads | {statistics.median(rates[False]):,.0f} |")
    click.echo(f"| ten reads a second | {statistics.median(rates[True]):,.0f} |")
    click.echo(f"| ratio, mean of {rounds} pairs | {middle:.3f} +- {spread:.3f} |")
    click.echo(f"\n{versions('msgspec')}")
    raise SystemExit(quiet > _GOAL)


def _delays(port: int, path: str, body: bytes, decisions: int) -> list[float]:
    """Return the milliseconds from each answer to the first read that counts the decision."""
    asking, reading = (http.client.HTTPConnection("127.0.0.1", port) for _ in range(2))
    found = []
    for _ in range(decisions):
        before = _proposed(reading)
        _post(asking, path, body)
        began = time.perf_counter()
        while _proposed(reading) == before:
            time.sleep(0.0005)
        found.append((time.perf_counter() - began) * 1000)
    return found


def _post(connection: http.client.HTTPConnection, path: str, body: bytes) -> str:
    """Send a request; return the answer's action."""
    connection.request("POST", path, body, {"content-type": "application/json"})
    action: str = json.loads(connection.getresponse().read())["action"]
    return action


def _proposed(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", _PATH)
    document = json.loads(connection.getresponse().read())
    return sum(row["count"] for row in document["decisions"] if row["action"] == _PROPOSED)


def _row(name: str, delays: list[float]) -> float:
    """Print a row; return the longest delay in milliseconds."""
    delays.sort()
    middle, late = statistics.median(delays), delays[int(len(delays) * 0.99)]
    click.echo(f"| {name} | {middle:.0f} | {late:.0f} | {delays[-1]:.0f} |")
    return delays[-1]


@contextmanager
def _loaded(url: str, contender: Contender, bodies: Path) -> Iterator[None]:
    """Send requests at full speed during the context, from as many wrk runs of a second as it takes."""
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            full_speed(url, contender, bodies, seconds=1, core=None)

    thread = threading.Thread(target=load)
    thread.start()
    yield
    over.set()
    thread.join()


@contextmanager
def _reading(port: int, *, reads: bool) -> Iterator[None]:
    """Read the counters ten times a second during the context, if `reads`."""
    over = threading.Event()

    def read() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while reads and not over.wait(0.1):
            _proposed(connection)

    thread = threading.Thread(target=read)
    thread.start()
    yield
    over.set()
    thread.join()


if __name__ == "__main__":
    main()
