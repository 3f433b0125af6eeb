"""Time the first request after readiness beside later ones: `.venv/bin/python -m benchmarks.serving.first_request`."""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import click
import grpc
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from benchmarks.serving.contenders import Contender, Running, contenders, free_port, running
from benchmarks.serving.material import Material, make_material
from benchmarks.serving.versions import versions

GOAL: Final = 5.0  # times the median of later requests
LATER: Final = 200
_REPEATS: Final = 8  # of a customer's transactions in a large body, which is read on a thread
INFER: Final = "/inference.GRPCInferenceService/ModelInfer"
_LIVE: Final = "/inference.GRPCInferenceService/ServerLive"

Send = Callable[[bytes], object]
Opened = Callable[[int, int], AbstractContextManager[Send]]  # from the ports of HTTP and gRPC


def bodies(raw: Sequence[dict[str, Any]], given: Sequence[bytes]) -> dict[str, tuple[list[bytes], int]]:
    """Return bodies and their status, for each path of a body through the server.

    `raw` are requests with transactions as rows, `given` bodies with features.
    """
    columns = [each | {"transactions": _columns(each["transactions"])} for each in raw]
    return {
        "transactions as rows": (_dumps(raw), 200),
        "transactions as columns": (_dumps(columns), 200),
        "times with seven decimals": (_dumps(map(_with_odd_times, raw)), 200),
        "features given": (list(given), 200),
        "refused for bad fields": ([each.replace(b"EUR", b"USD") for each in _dumps(raw)], 422),
        "unknown fields": (_dumps(each | {"unknown": 1} for each in raw), 200),
        "more than 64 KiB": (_dumps(map(_large, raw)), 200),
        "more than 64 KiB, as columns": (
            _dumps(each | {"transactions": _columns(each["transactions"])} for each in map(_large, raw)),
            200,
        ),
    }


def infer_message(body: bytes) -> bytes:
    """Return V2's binary message with one request as a text."""
    message = pb.ModelInferRequest(model_name="customer-risk")
    tensor = message.inputs.add(name="request", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(body)
    written: bytes = message.SerializeToString()
    return written


@click.command(help=__doc__)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
@click.option("--keep-cache", is_flag=True, help="Compile only for the first path; by default for each.")
@click.option("--only", default="", help="Measure only the paths whose name contains this.")
@click.option("--core", type=int, help="The core to which the server is bound.")
def main(folder: Path, only: str, core: int | None, *, keep_cache: bool) -> None:
    """Start a server without compiled code for each path; print its first request and the median of later ones.

    Exits with 1 if a first request takes more than GOAL times the median. On a busy machine, read the CPU times.
    """
    material = make_material(folder / "material")
    ours = contenders(material, None)[0]
    click.echo(
        "| path | ready after | first | median of later | times | processor's time, first | median | times |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    missed = []
    kept = tempfile.TemporaryDirectory()
    for name, sent, opened in _paths(material):
        if only not in name:
            continue
        with ExitStack() as stack:
            # Numba's cache: the server finds there what another one has compiled.
            empty = kept.name if keep_cache else stack.enter_context(tempfile.TemporaryDirectory())
            os.environ["NUMBA_CACHE_DIR"] = empty
            server, grpc_port = stack.enter_context(_started(ours, folder, core))
            send = stack.enter_context(opened(server.port, grpc_port))
            pid = server.process.pid
            took, worked = zip(*(_timed(send, sent[place % len(sent)], pid) for place in range(LATER + 1)), strict=True)
        click.echo(f"| {name} | {server.started:.1f} s | {_compared(took)} | {_compared(worked)} |")
        first, later = took[0], median(took[1:])
        if first > GOAL * later:
            missed.append(name)
    kept.cleanup()
    click.echo(f"\n{versions('kserve', 'numba')}")
    raise SystemExit(bool(missed))


def _paths(material: Material) -> Iterator[tuple[str, list[bytes], Opened]]:
    for name, (sent, status) in bodies(material.raw, material.given_bodies()).items():
        yield name, sent, partial(_by_http, status=status)
    yield "V2 by gRPC", [infer_message(body) for body in material.raw_bodies()], _by_grpc


@contextmanager
def _started(ours: Contender, folder: Path, core: int | None) -> Iterator[tuple[Running, int]]:
    """Start the server with gRPC; yield it and its gRPC port."""
    port, settings = free_port(), folder / "first-request.yaml"
    settings.write_text(f"grpc: {{enabled: true, port: {port}}}\n", encoding="utf-8")
    asked = replace(ours, command=(*ours.command, "--config", str(settings)))
    with running(asked, folder / "log-first-request.txt", core) as server:
        yield server, port


@contextmanager
def _by_http(port: int, _: int, *, status: int) -> Iterator[Send]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()

    def send(body: bytes) -> None:
        connection.request("POST", "/ai/v1/risk", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        if response.status != status:
            raise RuntimeError(f"the answer is {response.status}, not {status}")

    yield send
    connection.close()


@contextmanager
def _by_grpc(_: int, port: int) -> Iterator[Send]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        channel.unary_unary(_LIVE)(b"", timeout=60)  # the client's own first-time work is not measured
        yield channel.unary_unary(INFER)


def _timed(send: Send, body: bytes, pid: int) -> tuple[float, float]:
    """Return the seconds of a request, and the server's CPU seconds."""
    worked, began = _processor_seconds(pid), time.perf_counter()
    send(body)
    took = time.perf_counter() - began
    return took, _processor_seconds(pid) - worked


def _processor_seconds(pid: int) -> float:
    """Return the processor's time of all threads of a process, in seconds."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text(encoding="ascii").split()[0]) for each in threads) / 1e9


def _compared(seconds: Sequence[float]) -> str:
    first, later = seconds[0], median(seconds[1:])
    return f"{first * 1e3:.2f} ms | {later * 1e3:.2f} ms | {first / later:.1f}"


def _dumps(documents: Any) -> list[bytes]:
    return [json.dumps(each, separators=(",", ":")).encode() for each in documents]


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _with_odd_times(request: dict[str, Any]) -> dict[str, Any]:
    rows = [row | {"created_at": row["created_at"].replace("Z", "0Z")} for row in request["transactions"]]
    return request | {"transactions": rows}


def _large(request: dict[str, Any]) -> dict[str, Any]:
    rows = [row | {"id": f"{row['id']}-{again}"} for again in range(_REPEATS) for row in request["transactions"]]
    return request | {"transactions": rows}


if __name__ == "__main__":
    main()
