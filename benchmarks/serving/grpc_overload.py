"""Send more gRPC calls than the server can answer: `.venv/bin/python -m benchmarks.serving.grpc_overload`.

Callers on one core call a server on the other. After a refusal, a caller repeats the call after a wait or at once.
`--against CHECKOUT` measures another checkout in the same run.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import click
import grpc
import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from benchmarks.serving.contenders import OURS_RAW, Contender, contenders, free_port, running
from benchmarks.serving.material import make_material
from benchmarks.serving.versions import versions

_CHANNELS = 20
_RETRY_SECONDS = 1.0
_SETTLING_SECONDS = 10.0  # after readiness, the worker of jobs starts on the server's core
_CASES = ((8, 0.0), (80, _RETRY_SECONDS), (600, _RETRY_SECONDS), (600, 0.0))  # callers, and their wait after a refusal
_DOCUMENT = {"customer_id": "c", "profile": {}, "transactions": [], "history_complete": True}
_HEADS = ("server", "callers", "after a refusal", "answered/s", "refused/s", "codes", "p50 / p99 of answers, ms")


@click.command(help=__doc__)
@click.option("--seconds", default=8.0, show_default=True)
@click.option("--against", type=click.Path(path_type=Path, exists=True), help="Another checkout with its .venv.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"))
def main(seconds: float, against: Path | None, folder: Path) -> None:
    """Print one row for each server and number of callers."""
    found = contenders(make_material(folder / "material"), None)
    ours = next(one for one in found if one.name == OURS_RAW)
    checkouts = {"this": None, "before": against} if against else {"this": None}
    click.echo(f"| {' | '.join(_HEADS)} |\n{'|---' * len(_HEADS)}|")
    with ExitStack() as stack:
        ports: dict[str, int] = {}
        for name, checkout in checkouts.items():
            ports[name] = free_port()
            settings = folder / f"grpc-{name}.yaml"
            settings.write_text(f"grpc: {{enabled: true, port: {ports[name]}}}\n")
            command = [*ours.command, "--config", str(settings.absolute())]
            if checkout is not None:
                command[0] = str(checkout.absolute() / ".venv/bin/customer-risk")
            measured = Contender(**vars(ours) | {"command": tuple(command)})
            stack.enter_context(running(measured, folder / f"log-grpc-{name}.txt"))
        time.sleep(_SETTLING_SECONDS)
        for callers, retry in _CASES:
            for name, port in ports.items():
                waits, codes = asyncio.run(_call(port, callers, retry, seconds))
                refused = codes.total() - codes["OK"]
                p50, p99 = np.percentile(waits, (50, 99)) * 1000
                cells = (
                    name,
                    f"{callers}",
                    f"{retry:.0f} s" if retry else "at once",
                    f"{codes['OK'] / seconds:,.0f}",
                    f"{refused / seconds:,.0f}",
                    ", ".join(sorted(codes)),
                    f"{p50:.0f} / {p99:.0f}",
                )
                click.echo(f"| {' | '.join(cells)} |")
    click.echo(f"\n{versions('kserve', 'grpcio')}")


async def _call(port: int, callers: int, retry: float, seconds: float) -> tuple[list[float], Counter[str]]:
    """Return the seconds that answers took, and how many calls ended with each code."""
    request = pb.ModelInferRequest(model_name="customer-risk")
    tensor = request.inputs.add(name="request", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(json.dumps(_DOCUMENT).encode())
    message, waits, codes = request.SerializeToString(), [], Counter[str]()
    over = time.monotonic() + seconds

    async def call(channel: grpc.aio.Channel) -> None:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        while time.monotonic() < over:
            began = time.perf_counter()
            try:
                await infer(message, timeout=60)
            except grpc.aio.AioRpcError as error:
                codes[error.code().name] += 1
                await asyncio.sleep(retry)
            else:
                codes["OK"] += 1
                waits.append(time.perf_counter() - began)

    options = (("grpc.use_local_subchannel_pool", 1),)
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) for _ in range(_CHANNELS)]
    await asyncio.gather(*(call(channels[place % _CHANNELS]) for place in range(callers)))
    for channel in channels:
        await channel.close()
    return waits, codes


if __name__ == "__main__":
    main()
