"""Kill the server, the shipper, or both at random moments under load; count the records in every sink.

    .venv/bin/python -m tests.soak.record BUNDLE [--rounds 100]

Every answered decision must be in every sink exactly once. The sinks are a folder, and emulators of Cloud Storage and
BigQuery, which aren't killed. Ends with 1 if a record is lost or stored twice.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from tests.system.emulators import BigQuery
from tests.system.fake_gcs import FakeGcs
from tests.system.standin import free_port

COMMAND: Final = Path(sys.executable).with_name("customer-risk")
WHOM: Final = ("server", "shipper", "both")
CALLERS: Final = 4
THINKING: Final = (
    0.02  # seconds between two requests of a caller: BigQuery's emulator takes a few hundred rows a second
)
SECONDS: Final = 600  # longest time of each wait


class Server:
    """A server that records, and its shipper; killed and started again."""

    def __init__(self, bundle: Path, settings: Path, log: Path) -> None:
        self._bundle, self._settings, self._log = bundle, settings, log
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        command = [COMMAND, "serve", self._bundle, "--port", str(self.port), "--config", self._settings]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/v2/health/ready")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.05)
            finally:
                connection.close()
        raise click.ClickException(f"the server doesn't start: {self._log.read_text()[-2000:]}")

    def kill(self, whom: str) -> None:
        """Kill the server, its shipper, or both."""
        assert self._process is not None
        if whom in {"shipper", "both"}:
            for pid in self._shippers():
                os.kill(pid, signal.SIGKILL)
        if whom in {"server", "both"}:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """End the server, and let it ship the remaining records."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(SECONDS)

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.poll() is None

    def _shippers(self) -> list[int]:
        found = []
        for each in Path("/proc").iterdir():
            try:
                parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
                if (
                    b"customer_risk.serving.record.shipper" in (each / "cmdline").read_bytes()
                    and self._process is not None
                ):
                    found += [int(each.name)] if parent == self._process.pid else []
            except (OSError, ValueError, IndexError):
                continue
        return found


class Callers:
    """Callers that send one request after the other during the context, and store the ids of the answered decisions."""

    def __init__(self, port: int, body: bytes, answered: list[str], *, thinking: float = THINKING) -> None:
        self._port, self._body, self._answered, self._thinking = port, body, answered, thinking
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._over.is_set():
            try:
                connection.request("POST", "/ai/v1/risk", self._body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.05)
                continue
            if response.status == 200:
                self._answered.append(json.loads(content)["decision_id"])
            time.sleep(self._thinking)
        connection.close()


def request(transactions: int = 10) -> bytes:
    """Return a request with some transactions."""
    rows = [
        {
            "id": f"t-{i}",
            "state": "COMPLETED",
            "type": "CARDS",
            "amount": 12.5 + i,
            "currency": "EUR",
            "direction": "OUT",
            "created_at": f"2024-08-2{i % 10}T10:{i:02}:50.629801Z",
            "completed_at": None,
        }
        for i in range(transactions)
    ]
    return json.dumps({"customer_id": "c", "profile": {}, "transactions": rows, "history_complete": True}).encode()


def status(outbox: Path) -> dict[str, Any]:
    """Return the shipper's status."""
    try:
        told: dict[str, Any] = json.loads((outbox / "status.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return told


@click.command(help=__doc__)
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option("--rounds", default=100, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/soak"), show_default=True)
def main(bundle: Path, rounds: int, seed: int, folder: Path) -> None:
    """Kill and restart the server, then count the records."""
    folder = folder.absolute() / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    gcs = FakeGcs(folder / "gcs")
    bigquery = BigQuery(folder / "bigquery")
    gcs.start()
    gcs.make_bucket("record")
    bigquery.start()
    try:
        _soak(bundle, rounds, seed, folder, gcs, bigquery)
    finally:
        gcs.kill()
        bigquery.kill()


def _soak(bundle: Path, rounds: int, seed: int, folder: Path, gcs: Any, bigquery: Any) -> None:
    sinks = [
        {"type": "folder", "path": str(folder / "record")},
        {"type": "gcs", "bucket": "record", "endpoint": gcs.endpoint},
        {
            "type": "bigquery",
            "project": "risk",
            "dataset": "record",
            "endpoint": bigquery.endpoint,
            "grpc_endpoint": bigquery.grpc_endpoint,
        },
    ]
    settings = folder / "serving.yaml"
    settings.write_text(
        json.dumps(
            {
                "record": {
                    "enabled": True,
                    "folder": str(folder / "outbox"),
                    "ship": {"sinks": sinks, "batch_seconds": 0.2},
                }
            }
        )
    )
    subprocess.run([COMMAND, "audit", "init", "--config", settings], check=True)
    server, chance, answered = Server(bundle, settings, folder / "log"), random.Random(seed), []  # noqa: S311
    server.start()
    killed: Counter[str] = Counter()
    with click.progressbar(range(rounds), label="rounds", file=sys.stderr) as progress:
        for _ in progress:
            whom = chance.choice(WHOM)
            before = len(answered)
            with Callers(server.port, request(), answered):
                deadline = time.monotonic() + SECONDS
                while len(answered) < before + 20 and time.monotonic() < deadline:
                    time.sleep(0.01)
                time.sleep(chance.random())
                server.kill(whom)
                killed[whom] += 1
                time.sleep(0.2)
            if not server.alive:
                server.start()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        told = status(folder / "outbox").get("sinks", {})
        if (
            told
            and time.time() - status(folder / "outbox")["at"] < 3
            and not any(s["lag_records"] for s in told.values())
        ):
            break
        time.sleep(0.5)
    server.end()
    _report(rounds, killed, answered, _found(folder, sinks, bigquery))


def _found(folder: Path, sinks: list[dict[str, Any]], bigquery: Any) -> dict[str, Counter[str]]:
    from customer_risk.serving.record.sinks.factory import open_objects
    from customer_risk.serving.record.sinks.folder import LocalObjects
    from customer_risk.serving.record.sinks.search import find
    from customer_risk.serving.record.sinks.settings import GcsSettings

    cloud = open_objects(GcsSettings(bucket="record", endpoint=sinks[1]["endpoint"]))
    return {
        "folder": Counter(each["decision_id"] for each in find(LocalObjects(folder / "record"))),
        "gcs": Counter(each["decision_id"] for each in find(cloud)),
        "bigquery": Counter(row["decision_id"] for row in _rows(bigquery.endpoint)),
    }


def _rows(endpoint: str) -> Iterator[Any]:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.bigquery import Client

    client = Client("risk", AnonymousCredentials(), client_options={"api_endpoint": endpoint})
    yield from client.query_and_wait("SELECT decision_id FROM record.decisions")


def _report(rounds: int, killed: Counter[str], answered: list[str], found: dict[str, Counter[str]]) -> None:
    kills = ", ".join(f"{name} {killed[name]}" for name in WHOM)
    click.echo(f"{rounds} rounds (killed: {kills}), {len(answered):,} decisions answered\n")
    click.echo("| sink | records found | lost | there twice |\n|---|---|---|---|")
    bad = 0
    for name, ids in found.items():
        lost = sum(1 for each in answered if not ids[each])
        twice = sum(1 for count in ids.values() if count > 1)
        bad += lost + twice
        click.echo(f"| {name} | {sum(ids.values()):,} | {lost} | {twice} |")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
