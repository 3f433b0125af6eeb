"""Measure how fast one shipper ships, and its lag beside a server at full load; prints Markdown tables.

    .venv/bin/python -m tests.soak.shipping BUNDLE

Cloud Storage and BigQuery are emulators on the same machine, so the figures include their processor time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from tests.soak import record as soak
from tests.system.emulators import BigQuery
from tests.system.fake_gcs import FakeGcs

PATIENCE: Final = 120  # seconds
COMMAND: Final = Path(sys.executable).with_name("customer-risk")


@click.command(help=__doc__)
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option("--records", default=5_000, show_default=True, help="Shipped to each sink alone.")
@click.option("--seconds", default=20.0, show_default=True, help="Of full load.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/soak/shipping"), show_default=True)
def main(bundle: Path, records: int, seconds: float, folder: Path) -> None:
    """Ship to each sink alone, then to all beside a server."""
    folder = folder.absolute() / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    gcs, bigquery = FakeGcs(folder / "gcs"), BigQuery(folder / "bigquery")
    gcs.start()
    gcs.make_bucket("record")
    bigquery.start()
    sinks = {
        "folder (Parquet)": {"type": "folder", "path": str(folder / "record")},
        "Cloud Storage (NDJSON, gzip)": {"type": "gcs", "bucket": "record", "endpoint": gcs.endpoint},
        "BigQuery (Storage Write API)": {
            "type": "bigquery",
            "project": "risk",
            "dataset": "record",
            "endpoint": bigquery.endpoint,
            "grpc_endpoint": bigquery.grpc_endpoint,
        },
    }
    try:
        click.echo(f"| {records:,} records to | s | records/s | MB/s of the outbox |\n|---|---|---|---|")
        for place, (name, sink) in enumerate(sinks.items()):
            _alone(bundle, folder / f"alone-{place}", name, sink, records)
        _behind(bundle, folder / "load", list(sinks.values()), seconds)
    finally:
        gcs.kill()
        bigquery.kill()


def _settings(folder: Path, sinks: list[dict[str, Any]], *, embedded: bool) -> Path:
    folder.mkdir(parents=True)
    path = folder / "serving.yaml"
    record = {"enabled": True, "folder": str(folder / "outbox"), "ship": {"sinks": sinks, "embedded": embedded}}
    path.write_text(json.dumps({"record": record}))
    subprocess.run([COMMAND, "audit", "init", "--config", path], check=True, capture_output=True)
    return path


def _alone(bundle: Path, folder: Path, name: str, sink: dict[str, Any], records: int) -> None:
    """Fill an outbox, then ship it with one process."""
    from customer_risk.model.scoring.bundle import load_bundle
    from customer_risk.serving.decisions.service import Service
    from customer_risk.serving.record.outbox.writer import Outbox
    from customer_risk.serving.record.recorder import Recorder
    from customer_risk.serving.record.shipper.status import read

    settings = _settings(folder, [sink], embedded=False)
    service = Service("customer-risk")
    service.use(load_bundle(bundle, verify_golden=False))
    outbox = Outbox(folder / "outbox", most_bytes=1 << 32, file_bytes=16 << 20)
    recorder = Recorder(outbox, cpu="x")
    for _ in range(records):
        recorder.decided(service.answer(soak.request(50)), caller="", route="", trace=None, took=1)
    recorder.commit()
    recorder.close()
    size = sum(path.stat().st_size for path in (folder / "outbox").glob("*.records")) / 1e6
    process = subprocess.Popen([COMMAND, "ship", "--config", settings], stderr=subprocess.DEVNULL)
    began, shipped = 0.0, 0
    while shipped < records:
        time.sleep(0.05)
        try:
            (told,) = read(folder / "outbox").sinks.values()
        except Exception:  # noqa: S112, BLE001  the shipper has written no status yet
            continue
        shipped = told.shipped
        began = began or time.perf_counter() - 0.05  # measured from the first status, not from the process's start
    took = time.perf_counter() - began
    process.terminate()
    process.wait(60)
    click.echo(f"| {name} | {took:.1f} | {records / took:,.0f} | {size / took:.0f} |")


def _behind(bundle: Path, folder: Path, sinks: list[dict[str, Any]], seconds: float) -> None:
    """Ship beside a server at full load."""
    settings = _settings(folder, sinks, embedded=True)
    server = soak.Server(bundle, settings, folder / "log")
    server.start()
    answered: list[str] = []
    lags: dict[str, list[float]] = {sink["type"]: [0.0] for sink in sinks}
    while not soak.status(folder / "outbox"):
        time.sleep(0.2)
    with soak.Callers(server.port, soak.request(50), answered, thinking=0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.5)
            for name, told in soak.status(folder / "outbox").get("sinks", {}).items():
                lags.setdefault(name, []).append(told["lag_seconds"])
    began, caught = time.monotonic(), dict.fromkeys(lags, float("inf"))
    while max(caught.values()) == float("inf") and time.monotonic() < began + PATIENCE:
        time.sleep(0.2)
        for name, told in soak.status(folder / "outbox").get("sinks", {}).items():
            if not told["lag_records"]:
                caught[name] = min(caught[name], time.monotonic() - began)
    server.end()
    click.echo(f"\n{len(answered) / seconds:,.0f} decisions a second for {seconds:.0f} s; all on one machine\n")
    click.echo("| sink | greatest lag then, s | all shipped after, s |\n|---|---|---|")
    for name, seen in lags.items():
        click.echo(f"| {name} | {max(seen):.1f} | {caught[name]:.0f} |")


if __name__ == "__main__":
    main()
