"""The servers that are measured: their commands, requests and expected answers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.serving.material import Material

SERVER_CORE: Final = 0
CLIENT_CORE: Final = 1
PROBABILITY: Final = r'"probability":%s*([%d.eE+-]+)'
PREDICTION: Final = r'"predictions":%s*%[([%d.eE+-]+)'
TENSOR: Final = r'"data":%s*%[([%d.eE+-]+)'

_PEERS: Final = Path(__file__).parent / "peers"
_PATIENCE: Final = 180.0
_MOST_BYTES: Final = 16 * 1024**3  # no shipper runs during the benchmark


@dataclass(frozen=True)
class Contender:
    """A server and its requests.

    `command` starts it, with `{port}` for the port; `ready` is a path that answers 200 once the server is ready. `mark`
    finds the probability in an answer (a Lua pattern with one capture); without it, an answer must contain one of
    `texts`.
    """

    name: str
    command: Sequence[str]
    path: str
    ready: str
    bodies: Sequence[bytes]
    mark: str | None
    texts: Sequence[str]


def contenders(material: Material, mlserver: Path | None) -> list[Contender]:
    """Return every contender, ours first; `mlserver` is the Python of an environment with MLServer."""
    python, model = sys.executable, str(material.model)
    expected = [f"{value:.8f}" for value in material.expected]
    serve = (str(Path(python).with_name("customer-risk")), "serve", str(material.bundle), "--port", "{port}")
    raw, given, instances = material.raw_bodies(), material.given_bodies(), material.instance_bodies()
    recorded = (*serve, "--config", str(_recording(material.folder)))
    fast = (python, str(_PEERS / "fastapi_score.py"), model, "{port}")
    echo = (python, str(_PEERS / "echo.py"), "{port}")
    stock = (python, str(_PEERS / "kserve_stock.py"), model, "{port}")
    ready = "/v2/health/ready"
    found = [
        Contender(OURS_GIVEN, serve, "/ai/v1/risk", ready, given, PROBABILITY, expected),
        Contender(OURS_RAW, serve, "/ai/v1/risk", ready, raw, PROBABILITY, expected),
        Contender(RECORDED_GIVEN, recorded, "/ai/v1/risk", ready, given, PROBABILITY, expected),
        Contender(RECORDED_RAW, recorded, "/ai/v1/risk", ready, raw, PROBABILITY, expected),
        Contender(STOCK, stock, "/v1/models/stock:predict", "/v1/models/stock", instances, PREDICTION, expected),
        Contender(FASTAPI, fast, "/risk", "/openapi.json", given, PROBABILITY, expected),
        Contender(CONTRIBS, (*fast, "contributions"), "/risk", "/openapi.json", given, PROBABILITY, expected),
        Contender(ECHO_GIVEN, echo, "/", "/", given, None, _lengths(given)),
        Contender(ECHO_RAW, echo, "/", "/", raw, None, _lengths(raw)),
    ]
    if mlserver is not None:
        command, folder = (str(mlserver.with_name("mlserver")), "start"), material.folder / "mlserver"
        tensors = material.tensor_bodies()
        one = Contender(MLSERVER, (*command, str(folder)), "/v2/models/peer/infer", ready, tensors, TENSOR, expected)
        found.insert(7, one)
    return found


def earlier(found: Sequence[Contender], checkout: Path) -> list[Contender]:
    """Return our contenders, served by the code of another checkout from its `.venv`."""
    command = str(checkout / ".venv" / "bin" / "customer-risk")
    return [
        replace(each, name=f"{each.name}, before", command=(command, *each.command[1:]))
        for each in found
        if each.name in {OURS_GIVEN, OURS_RAW, RECORDED_GIVEN, RECORDED_RAW}
    ]


OURS_GIVEN: Final = "ours, features given"
OURS_RAW: Final = "ours, 50 raw transactions"
RECORDED_GIVEN: Final = "ours, features given, recorded"
RECORDED_RAW: Final = "ours, 50 raw transactions, recorded"
STOCK: Final = "stock KServe predictor, score only"
FASTAPI: Final = "FastAPI + pydantic, score only"
CONTRIBS: Final = "FastAPI + pydantic + `pred_contribs`"
MLSERVER: Final = "MLServer's XGBoost runtime, score only"
ECHO_GIVEN: Final = "echo of the features' body"
ECHO_RAW: Final = "echo of the transactions' body"


def _recording(folder: Path) -> Path:
    """Write settings that record each decision in an empty outbox, without a shipper."""
    outbox, settings = folder / "outbox", folder / "recorded.yaml"
    shutil.rmtree(outbox, ignore_errors=True)
    record = f"enabled: true, folder: {outbox.absolute()}, most_bytes: {_MOST_BYTES}, ship: {{embedded: false}}"
    settings.write_text(f"record: {{{record}}}\n")
    return settings


def _lengths(bodies: Sequence[bytes]) -> list[str]:
    return sorted({f'{{"bytes":{len(body)}}}' for body in bodies})


@dataclass(frozen=True)
class Running:
    """A started contender."""

    contender: Contender
    process: subprocess.Popen[bytes]
    port: int
    started: float  # seconds from exec to ready

    @property
    def url(self) -> str:
        """The URL of requests."""
        return f"http://127.0.0.1:{self.port}{self.contender.path}"

    def pids(self) -> list[int]:
        """Return the process and its descendants."""
        return descendants(self.process.pid)


@contextmanager
def running(contender: Contender, log: Path, core: int | None = SERVER_CORE) -> Iterator[Running]:
    """Start a contender on one core, wait until it is ready, and end it afterwards.

    Raises RuntimeError with the end of its log if it ends or isn't ready within three minutes.
    """
    port = free_port()
    command = [part.replace("{port}", str(port)) for part in contender.command]
    if contender.name == MLSERVER:
        _write_mlserver(Path(command[-1]), Path(command[-1]).parent / "model.ubj", port)
    pinned = ["taskset", "-c", str(core), *command] if core is not None else command
    # Further threads of a library would compete with the measured thread for its core.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as file:
        began = time.monotonic()
        process = subprocess.Popen(pinned, stdout=file, stderr=file, env=environment, start_new_session=True)  # noqa: S603  our own list
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}{contender.ready}", log)
        yield Running(contender, process, port, time.monotonic() - began)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its descendants with SIGTERM, and with SIGKILL after five seconds."""
    there = descendants(process.pid)
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in there:
        if pid != process.pid and Path(f"/proc/{pid}").exists():
            os.kill(pid, 9)


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path, pause: float = 0.02) -> None:
    """Wait until `url` answers 200; raises RuntimeError if the process ends or takes three minutes."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  our own process
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(pause)
    last = log.read_text(errors="replace").strip().splitlines()[-3:]
    raise RuntimeError(f"never became ready: {' / '.join(last)}")


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """Return a process and all its descendants, from /proc."""
    found = [pid]
    for one in found:
        for tasks in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in tasks.read_text().split()]
            except OSError:  # it ended meanwhile
                continue
    return found


def _write_mlserver(folder: Path, model: Path, port: int) -> None:
    """Write MLServer's settings, without parallel workers: on one core they make it slower."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = f'"http_port": {port}, "grpc_port": {free_port()}, "metrics_port": {free_port()}'
    (folder / "settings.json").write_text(f'{{"debug": false, "parallel_workers": 0, {ports}}}')
    shutil.copy(model, folder / "model.ubj")
    (folder / "model-settings.json").write_text(
        '{"name": "peer", "implementation": "mlserver_xgboost.XGBoostModel", "parameters": {"uri": "./model.ubj"}}'
    )
