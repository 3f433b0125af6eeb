"""Runs honest callers beside a hostile one: which honest calls fail, how long they take, and which records are lost.

    .venv/bin/python -m tests.soak.neighbour BUNDLE [--seconds 20] [--scenario idle --scenario metrics]

Each scenario has a server of its own, with tokens, limits, gRPC and a record that is shipped to a folder. The hostile
caller (`tests/soak/abuse.py`) is a separate process with its own address. The command ends with 1 if an honest call
fails with anything but a declared 503, if a record is lost or stored twice, if `/healthz` isn't answered with 200, or
if a process of the server ends. Speed isn't judged.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import duckdb
import grpc
import msgspec
import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.serving.contract.problem import KINDS as PROBLEMS
from customer_risk.serving.contract.problem import MEDIA_TYPE, Problem
from tests.soak import abuse
from tests.soak.record import COMMAND, SECONDS, Server, request, status
from tests.system.issuer import Issuer
from tests.system.standin import free_port

HTTP_CALLERS, GRPC_CALLERS = 8, 2
EVERY: Final = 0.1  # seconds between two calls of an honest caller
CALLS_A_CONNECTION: Final = 10
PROBE_EVERY: Final = 0.25
PROBE_TIMEOUT: Final = 5  # seconds, as in the chart
HOSTILE_CLIENTS: Final = 32
_DECLARED: Final = {f"urn:problem-type:customer-risk:{kind.name}" for kind in PROBLEMS.values() if kind.status == 503}
_HEADS: Final = (
    "scenario",
    "honest calls",
    "failed",
    "503s",
    "p50 / p99 / worst, ms",
    "readiness failed",
    "liveness failed",
    "slowest probe, ms",
    "RSS before / peak, MB",
    "records lost / twice",
)


class Honest:
    """The results of honest calls: ids of decisions, milliseconds, refusals and failures; several threads add to it."""

    def __init__(self) -> None:
        self.decisions: list[str] = []
        self.took: list[float] = []
        self.refused = 0
        self.failures: Counter[str] = Counter()

    @property
    def calls(self) -> int:
        """The number of calls that have ended."""
        return len(self.took)


class Probes:
    """The results of probes: failures by path, and the slowest answer in milliseconds."""

    def __init__(self) -> None:
        self.unanswered: Counter[str] = Counter()  # no 200 within `SECONDS`
        self.failed: Counter[str] = Counter()  # no 200 within `PROBE_TIMEOUT`
        self.slowest = 0.0


class Outcome(NamedTuple):
    """The results of one scenario; `ended` names processes of the server that ended."""

    honest: Honest
    probes: Probes
    lost: int
    twice: int
    ended: list[str]
    resident: tuple[int, int]  # bytes: before, and the peak

    def faults(self) -> list[str]:
        """Return a sentence for each fault."""
        found = [f"{count} honest calls failed: {what}" for what, count in self.honest.failures.most_common()]
        found += [f"{self.lost} records are lost"] * bool(self.lost)
        found += [f"{self.twice} records are stored twice"] * bool(self.twice)
        alive = self.probes.unanswered["/healthz"]
        return found + [f"{alive} liveness probes were not answered with 200"] * bool(alive) + self.ended


@click.command(help=__doc__)
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option("--seconds", default=20.0, show_default=True, help="Duration of each scenario.")
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=click.Choice(["none", *abuse.KINDS, "all"]),
    help="Repeat the option for several scenarios; the default is all.",
)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/soak/neighbour"), show_default=True)
def main(bundle: Path, seconds: float, scenarios: tuple[str, ...], folder: Path) -> None:
    """Run scenarios and print a table."""
    folder = folder.absolute() / time.strftime("%Y%m%d-%H%M%S")
    bad: list[str] = []
    click.echo(f"| {' | '.join(_HEADS)} |\n{'|---' * len(_HEADS)}|")
    for name in scenarios or ("none", *abuse.KINDS, "all"):
        outcome = _run(name, bundle, seconds, folder / name)
        click.echo(_row(name, outcome))
        bad += [f"{name}: {fault}" for fault in outcome.faults()]
    click.echo("\n" + ("\n".join(bad) or "no call failed, no record is lost or stored twice"))
    raise SystemExit(bool(bad))


def _row(name: str, outcome: Outcome) -> str:
    honest, probes = outcome.honest, outcome.probes
    cells = (
        name,
        f"{honest.calls:,}",
        f"{honest.failures.total():,}",
        f"{honest.refused:,}",
        f"{np.percentile(honest.took, 50):.0f} / {np.percentile(honest.took, 99):.0f} / {max(honest.took):.0f}",
        f"{probes.failed['/v2/health/ready']}",
        f"{probes.failed['/healthz']}",
        f"{probes.slowest:.0f}",
        f"{outcome.resident[0] / 1e6:.0f} / {outcome.resident[1] / 1e6:.0f}",
        f"{outcome.lost} / {outcome.twice}",
    )
    return f"| {' | '.join(cells)} |"


def _run(name: str, bundle: Path, seconds: float, folder: Path) -> Outcome:
    """Run one scenario against a server of its own; return the results."""
    folder.mkdir(parents=True)
    issuer, grpc_port = Issuer(), free_port()
    server = Server(bundle, _settings(folder, issuer, grpc_port), folder / "log")
    server.start()
    honest, probes = Honest(), Probes()
    _call_honestly(server.port, grpc_port, issuer, honest, 2 * CALLS_A_CONNECTION * EVERY)
    processes, before = _processes(server.pid), _resident(server.pid, "VmRSS")
    warmed_up, honest = honest, Honest()
    with _probing(server.port, probes), _abusing(name, server.port, grpc_port, issuer):
        _call_honestly(server.port, grpc_port, issuer, honest, seconds)
    peak = _resident(server.pid, "VmHWM")
    ended = [f"{what} ended" for pid, what in processes.items() if pid not in _processes(server.pid)]
    answered = warmed_up.decisions + honest.decisions
    honest.failures += warmed_up.failures
    ended += [f"the server ended, see {folder / 'log'}"] * (not server.alive)
    if server.alive:
        _wait_until_shipped(folder / "outbox")
    server.end()
    found = _recorded(folder / "record")
    lost = sum(1 for each in answered if not found[each])
    return Outcome(honest, probes, lost, sum(1 for count in found.values() if count > 1), ended, (before, peak))


def _settings(folder: Path, issuer: Issuer, grpc_port: int) -> Path:
    """Write the server's settings and key set to a folder; return the file of settings."""
    (folder / "jwks.json").write_text(issuer.jwks)
    sinks = [{"type": "folder", "path": str(folder / "record")}]
    settings = {
        "run_folder": str(folder / "run"),
        "grpc": {"enabled": True, "port": grpc_port},
        "auth": issuer.settings(str(folder / "jwks.json")),
        "limits": {"requests_per_second": 500, "burst": 500},
        "record": {"enabled": True, "folder": str(folder / "outbox"), "ship": {"sinks": sinks, "batch_seconds": 0.2}},
    }
    file = folder / "serving.yaml"
    file.write_text(json.dumps(settings))  # JSON is YAML too
    subprocess.run([COMMAND, "audit", "init", "--config", file], check=True, capture_output=True)
    return file


@contextlib.contextmanager
def _abusing(name: str, port: int, grpc_port: int, issuer: Issuer) -> Iterator[None]:
    """Run a hostile caller during the context, at a lower priority than the server."""
    if name == "none":
        yield
        return
    tokens = [issuer.token(f"hostile-{place}", "score") for place in range(HOSTILE_CLIENTS)]
    target = abuse.Target(port, grpc_port, tokens)
    process = subprocess.Popen(
        ["nice", sys.executable, "-m", "tests.soak.abuse", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(target))
    process.stdin.close()
    if process.stdout.readline() != b"begun\n":
        raise click.ClickException(f"the hostile caller ended with {process.wait()}")
    try:
        yield
        if process.poll() is not None:
            raise click.ClickException(f"the hostile caller ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _call_honestly(port: int, grpc_port: int, issuer: Issuer, honest: Honest, seconds: float) -> None:
    """Call at a steady rate from several clients, over HTTP and gRPC, for `seconds`."""
    names = [f"http-{place}" for place in range(HTTP_CALLERS)]
    callers: list[HttpCaller | GrpcCaller] = [HttpCaller(port, issuer.token(name, "score"), name) for name in names]
    names = [f"grpc-{place}" for place in range(GRPC_CALLERS)]
    callers += [GrpcCaller(grpc_port, issuer.token(name, "score"), name) for name in names]
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=_keep_calling, args=(caller, honest, until)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class HttpCaller:
    """Sends one request at a time; opens a new connection after every CALLS_A_CONNECTION requests."""

    def __init__(self, port: int, token: str, customer: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        self._customer = customer
        self._body = json.dumps(json.loads(request()) | {"customer_id": customer}).encode()
        self._sent = 0

    def call(self) -> str | None:
        """Return the decision's id, None for a declared 503; raises ValueError or OSError for any other result."""
        if self._sent % CALLS_A_CONNECTION == 0:
            self._connection.close()
        self._sent += 1
        try:
            self._connection.request("POST", "/ai/v1/risk", self._body, self._headers)
            response = self._connection.getresponse()
            content = response.read()
        except BaseException:
            self._connection.close()
            raise
        if response.status == 200:
            return _decision(content, self._customer)
        if response.headers["content-type"] != MEDIA_TYPE or not response.headers.get("retry-after", "").isdecimal():
            raise ValueError(f"{response.status} {content[:200]!r}")
        return _declared(content)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class GrpcCaller:
    """Makes one gRPC call at a time, on one channel."""

    def __init__(self, port: int, token: str, customer: str) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._stub = stubs.GRPCInferenceServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._customer = customer
        self._message = pb.ModelInferRequest(model_name="customer-risk")
        tensor = self._message.inputs.add(name="request", datatype="BYTES", shape=[1])
        tensor.contents.bytes_contents.append(json.dumps(json.loads(request()) | {"customer_id": customer}).encode())
        self._message.outputs.add(name="answer")

    def call(self) -> str | None:
        """Return the decision's id, None for a declared 503; raises ValueError for any other result."""
        try:
            answer = self._stub.ModelInfer(self._message, metadata=self._metadata, timeout=SECONDS)
        except grpc.RpcError as error:
            trailing = {key for key, _ in error.trailing_metadata() or ()}
            if error.code() != grpc.StatusCode.UNAVAILABLE or "retry-after" not in trailing:
                raise ValueError(f"{error.code()} {error.details()}") from error
            return _declared(error.details().encode())
        return _decision(answer.outputs[0].contents.bytes_contents[0], self._customer)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def _decision(content: bytes, customer: str) -> str:
    answer = json.loads(content)
    if answer["customer_id"] != customer:
        raise ValueError(f"the answer is about {answer['customer_id']}, not {customer}")
    return str(answer["decision_id"])


def _declared(content: bytes) -> None:
    """Return None if a problem document has a declared kind of status 503; raises ValueError for other content."""
    problem = msgspec.json.decode(content, type=Problem)
    if problem.status != 503 or problem.type not in _DECLARED:
        raise ValueError(f"{problem.status} {problem.type} {problem.detail}")


def _keep_calling(caller: HttpCaller | GrpcCaller, honest: Honest, until: float) -> None:
    """Call at a steady rate; the time of a call counts from the moment at which it is due."""
    due = time.monotonic()
    while due < until and time.monotonic() < until:
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            decision = caller.call()
        except (OSError, http.client.HTTPException, ValueError) as error:
            honest.failures[f"{type(error).__name__}: {error}"[:200]] += 1
        else:
            if decision is None:
                honest.refused += 1
            else:
                honest.decisions.append(decision)
        honest.took.append(1000 * (time.monotonic() - due))
        due += EVERY
    caller.close()


@contextlib.contextmanager
def _probing(port: int, probes: Probes) -> Iterator[None]:
    """Probe as Kubernetes does during the context, each time on a new connection."""
    over = threading.Event()

    def probe(path: str) -> None:
        while not over.wait(PROBE_EVERY):
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            try:
                connection.request("GET", path)
                sound = connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                sound = False
            connection.close()
            took = time.monotonic() - began
            probes.unanswered[path] += not sound
            probes.failed[path] += not sound or took > PROBE_TIMEOUT
            probes.slowest = max(probes.slowest, 1000 * took)

    threads = [threading.Thread(target=probe, args=(path,)) for path in ("/healthz", "/v2/health/ready")]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _processes(pid: int) -> dict[int, str]:
    """Return the commands of a server's process and its children, by process id."""
    found = {}
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int(each.name) == pid or int((each / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found[int(each.name)] = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()[-80:]
    return found


def _resident(pid: int, name: str) -> int:
    """Return a process's resident memory in bytes: VmRSS is the current size, VmHWM the peak; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)


def _wait_until_shipped(outbox: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        told = status(outbox)
        sinks: dict[str, Any] = told.get("sinks", {})
        if sinks and time.time() - told["at"] < 3 and not any(each["lag_records"] for each in sinks.values()):
            return
        time.sleep(0.2)


def _recorded(folder: Path) -> Counter[str]:
    """Return how often each decision is in the sink."""
    files = [str(file) for file in folder.rglob("*.parquet")]
    rows = duckdb.sql("SELECT decision_id, count(*) FROM read_parquet($1) GROUP BY 1", params=[files]).fetchall()
    return Counter(dict(rows))


if __name__ == "__main__":
    main()
