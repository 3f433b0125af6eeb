"""Measure how long hostile bodies delay other requests: `.venv/bin/python -m benchmarks.serving.pause`.

One client sends each body of `benchmarks.serving.hostile`. Meanwhile another polls `/healthz` on one connection:
its longest wait is the pause.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import grpc

from benchmarks.serving.contenders import OURS_RAW, Contender, contenders, descendants, free_port, running
from benchmarks.serving.hostile import GRPC, Hostile, corpus
from benchmarks.serving.material import make_material
from benchmarks.serving.versions import versions

GOAL = 20.0  # milliseconds
_ASK = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@click.command(help=__doc__)
@click.option("--all", "every", is_flag=True, help="Show every body, not only the ten that pause longest.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"))
def main(folder: Path, *, every: bool) -> None:
    """Exit with status 1 if a pause is longer than the goal."""
    found = contenders(make_material(folder / "material"), None)
    ours = next(one for one in found if one.name == OURS_RAW)
    port, settings = free_port(), folder / "pause.yaml"
    settings.write_text(f"grpc: {{enabled: true, port: {port}}}\n")
    measured = Contender(**vars(ours) | {"command": (*ours.command, "--config", str(settings))})
    rows = []
    with (
        running(measured, folder / "log-pause.txt", core=None) as server,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        quiet = _longest_wait(server.port, lambda: time.sleep(1))[0]
        time.sleep(5)  # until the job worker process has started
        before = _resident(server.process.pid)
        for one in corpus():
            rows.append((*_longest_wait(server.port, partial(_send, server.port, infer, one)), one))  # noqa: PERF401  one after the other
        time.sleep(1)
        after = _resident(server.process.pid)
    rows.sort(key=lambda row: -row[0])
    click.echo("| body of 8 MiB | entrance | longest wait for `/healthz`, ms | answered after, ms | with |")
    click.echo("|---|---|---|---|---|")
    for wait, took, status, hostile in rows if every else rows[:10]:
        click.echo(f"| {hostile.name} | {hostile.entrance} | {wait:.1f} | {took:.0f} | {status} |")
    within = sum(row[0] <= GOAL for row in rows)
    click.echo(
        f"\n{within} of {len(rows)} within {GOAL:.0f} ms; without hostile bodies the longest was {quiet:.1f} ms."
    )
    click.echo(f"Resident memory {before:.0f} MB before, {after:.0f} MB a second after. {versions('kserve', 'uvloop')}")
    raise SystemExit(within < len(rows))


def _longest_wait(port: int, work: Callable[[], object]) -> tuple[float, float, str]:
    """Do `work` while polling health; return the longest wait and the work's time in ms, and its result."""
    over, waits = threading.Event(), [0.0]

    def ask() -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not over.is_set():
                began = time.perf_counter()
                connection.sendall(_ASK)
                connection.recv(4096)
                waits.append(time.perf_counter() - began)
                time.sleep(0.001)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.05)
    began = time.perf_counter()
    said = work()
    took = time.perf_counter() - began
    time.sleep(0.05)
    over.set()
    thread.join()
    return 1000 * max(waits), 1000 * took, str(said)


def _send(port: int, infer: grpc.UnaryUnaryMultiCallable, hostile: Hostile) -> str:
    if hostile.entrance == GRPC:
        try:
            infer(hostile.body, timeout=120)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", hostile.entrance, hostile.body, {"content-type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return str(status)


def _resident(pid: int) -> float:
    """Return the memory of a process and its descendants in MB."""
    pages = 0
    for each in descendants(pid):
        pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    main()
