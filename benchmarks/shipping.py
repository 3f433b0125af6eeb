# ruff: noqa: INP001  a script
"""Measure how many records a second one shipper on one core moves from an outbox to each kind of sink.

    .venv/bin/python -m benchmarks.shipping [--against CHECKOUT]

Fills an outbox with decisions of a real bundle (50 raw transactions each), then ships it with one process on one core,
once for each kind of sink. Cloud Storage is an emulator on another core. For BigQuery, only the network is replaced:
each request is made and serialized, and answered at once. Work that a process does once (imports, loading compiled
code, asking the sink which records it has) isn't measured. With `--against`, the shipper of another checkout and this
one run in turn, so that both are measured under the same conditions. Prints a Markdown table; `--profile` also prints a
profile of the sink's worker.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import click

ROOT: Final = Path(__file__).parent.parent
KINDS: Final = {
    "folder": "folder (Parquet)",
    "gcs": "Cloud Storage (NDJSON, gzip)",
    "bigquery": "BigQuery (client side)",
}
_HOUR: Final = 1_760_000_400.0  # all records are of one UTC hour


@click.command(help=__doc__)
@click.option("--records", default=20_000, show_default=True, help="Number of records in the outbox.")
@click.option("--rounds", default=3, show_default=True, help="Number of rounds; the median counts.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), help="Kind of sink; all kinds without it."
)
@click.option("--against", type=click.Path(path_type=Path, exists=True), help="Another checkout, measured in turn.")
@click.option("--profile", is_flag=True, help="Print a profile instead of the table.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/shipping"), show_default=True)
def main(records: int, rounds: int, kinds: tuple[str, ...], against: Path | None, profile: bool, folder: Path) -> None:
    """Measure each kind of sink."""
    folder = folder.absolute()
    checkouts = {"before": against.absolute(), "now": ROOT} if against else {"now": ROOT}
    outboxes = {}
    for name, checkout in checkouts.items():
        outboxes[name] = outbox = folder / f"outbox-{name}-{records}"
        if not outbox.exists():  # each checkout ships an outbox that its own code wrote
            _run(checkout, {"fill": str(outbox), "records": records})
        size = sum(path.stat().st_size for path in outbox.iterdir())
        click.echo(f"{name}: {records:,} records, {size / records:,.0f} bytes each on the disk")
    click.echo()
    click.echo("| one shipper on one core | | records/s | CPU s for 1,000 | records per CPU s |\n|---|---|---|---|---|")
    for kind in kinds or KINDS:
        with _server(kind, folder) as endpoint:
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in checkouts}
            for turn in range(rounds):
                for name, checkout in checkouts.items():
                    place = folder / f"{kind}-{turn}-{name}"
                    found[name].append(_ship(checkout, kind, outboxes[name], place, endpoint, profile=profile))
        for name, measured in found.items():
            wall, cpu = (statistics.median(each) for each in zip(*measured, strict=True))
            rates = f"{records / wall:,.0f} | {1000 * cpu / records:.3f} | {records / cpu:,.0f}"
            click.echo(f"| {KINDS[kind]} | {name} | {rates} |")


def fill(outbox: Path, records: int) -> None:
    """Write an outbox of that many decisions."""
    from benchmarks.serving.material import make_material  # noqa: PLC0415  only needed to fill
    from customer_risk.model.scoring.bundle import load_bundle  # noqa: PLC0415
    from customer_risk.serving.decisions.service import Service  # noqa: PLC0415
    from customer_risk.serving.record.outbox.writer import Outbox  # noqa: PLC0415
    from customer_risk.serving.record.recorder import Recorder  # noqa: PLC0415

    material = make_material(outbox.parent / "material", trees=20)
    bodies = material.raw_bodies()
    partial = outbox.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    now = [_HOUR]
    service = Service("customer-risk", clock=lambda: now[0])
    service.use(load_bundle(material.bundle, verify_golden=False))
    writer = Outbox(partial, most_bytes=1 << 34, file_bytes=4 << 20)
    recorder = Recorder(writer, cpu="x86_64 avx2")
    for number in range(records):
        now[0] = _HOUR + number * 0.01
        recorder.decided(
            service.answer(bodies[number % len(bodies)]), caller="payments", route="/ai/v1/risk", trace=None, took=250
        )
        if number % 50 == 49:
            recorder.commit()
    recorder.commit()
    recorder.close()
    partial.rename(outbox)


@contextmanager
def _server(kind: str, folder: Path) -> Iterator[str]:
    """Run the emulator that a kind of sink needs, on the last core."""
    if kind != "gcs":
        yield ""
        return
    from tests.system.fake_gcs import FakeGcs  # noqa: PLC0415  it makes an environment for the emulator

    shutil.rmtree(folder / "gcs", ignore_errors=True)
    (folder / "gcs").mkdir(parents=True)
    server = FakeGcs(folder / "gcs")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        server.start()
    finally:
        os.sched_setaffinity(0, before)
    try:
        yield server.endpoint
    finally:
        server.kill()


def _ship(checkout: Path, kind: str, outbox: Path, place: Path, endpoint: str, *, profile: bool) -> tuple[float, float]:
    """Ship a copy of the outbox in a process of its own; return seconds and CPU seconds."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(outbox, place / "outbox")
    bucket = f"{place.name}-{os.getpid()}"
    if endpoint:
        import httpx2  # noqa: PLC0415  only needed with the emulator

        httpx2.post(f"{endpoint}/storage/v1/b", json={"name": bucket}, timeout=600).raise_for_status()
    order = {"kind": kind, "place": str(place), "endpoint": endpoint, "bucket": bucket, "profile": profile}
    *lines, told = _run(checkout, order).splitlines()
    shutil.rmtree(place)
    if profile:
        click.echo("\n".join(lines))
    wall, cpu = json.loads(told)
    return wall, cpu


def _run(checkout: Path, order: dict[str, Any]) -> str:
    """Run this script with the code of a checkout; return what it prints."""
    done = subprocess.run(  # noqa: S603  our own module
        [sys.executable, __file__, json.dumps(order)],
        env=os.environ | {"PYTHONPATH": f"{checkout / 'src'}:{ROOT}"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout.decode()


def child(order: dict[str, Any]) -> None:
    """Ship one outbox to one sink on this process's first core; print seconds and CPU seconds."""
    import gc  # noqa: PLC0415  the child imports only what it measures

    from customer_risk.serving.record.shipper.settings import ShipperConfig, ShipSettings  # noqa: PLC0415
    from customer_risk.serving.record.shipper.shipper import Shipper  # noqa: PLC0415
    from customer_risk.serving.record.shipper.sink_worker import SinkWorker  # noqa: PLC0415
    from customer_risk.serving.record.sinks.factory import open_sink  # noqa: PLC0415
    from customer_risk.serving.record.sinks.settings import (  # noqa: PLC0415
        BigQuerySettings,
        FolderSettings,
        GcsSettings,
    )

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    gc.set_threshold(200_000, 20, 100)  # as the shipper's own process does
    place = Path(order["place"])
    settings: Any = {
        "folder": FolderSettings(path=str(place / "record")),
        "gcs": GcsSettings(bucket=order["bucket"], endpoint=order["endpoint"]),
        "bigquery": BigQuerySettings(project="bank", dataset="decisions"),
    }[order["kind"]]
    config = ShipperConfig(folder=str(place / "outbox"), most_bytes=1 << 34, ship=ShipSettings(sinks=(settings,)))

    def sinks(shipper: str) -> list[Any]:
        sink: Any = open_sink(settings, shipper)
        if order["kind"] == "bigquery":
            sink._connections = Unplugged(settings)  # noqa: SLF001  only the network is replaced
            sink.check = lambda: None
        return [sink]

    with suppress(ImportError):  # an earlier checkout lacks these modules
        _start_up(place / "outbox", sinks)
    shipper = Shipper(config, sinks)
    shipper.ending.begin(3600)
    profile = cProfile.Profile()
    if order["profile"]:
        run = SinkWorker.run
        SinkWorker.run = lambda *arguments: profile.runcall(run, *arguments)  # type: ignore[method-assign]
    before, cpu = time.perf_counter(), time.process_time()
    status = shipper.run()
    wall, cpu = time.perf_counter() - before, time.process_time() - cpu
    if order["profile"]:
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(35)
    for each in status.sinks.values():
        if each.lag_records or each.failures or each.dead_letters:
            raise SystemExit(f"not everything was shipped: {each}")
    click.echo(json.dumps([wall, cpu]))


def _start_up(outbox: Path, sinks: Callable[[str], list[Any]]) -> None:
    """Do the work that a shipper does only once."""
    from customer_risk.serving.record.outbox import compact  # noqa: PLC0415  an older release doesn't have it
    from customer_risk.serving.record.shipper.progress import Progress  # noqa: PLC0415
    from customer_risk.serving.record.sinks.recovery import Recovered  # noqa: PLC0415

    compact.prepare()
    progress = Progress(outbox)
    for each in sinks(progress.shipper):
        progress.found(each.name, Recovered())
        each.close()
    progress.close()


class Unplugged:
    """Connections to BigQuery without a network: each request is serialized as gRPC would, and accepted."""

    def __init__(self, settings: Any) -> None:
        from customer_risk.serving.record.sinks.bigquery.connections import Connections  # noqa: PLC0415

        self.reaching = Connections(settings).reaching
        self.write = self

    def create_write_stream(self, **_: Any) -> Any:
        """Return a stream with a fixed name."""
        from google.cloud.bigquery_storage_v1 import types  # noqa: PLC0415

        return types.WriteStream(name="projects/bank/datasets/decisions/tables/decisions/streams/one")

    def append_rows(self, requests: Iterator[Any], **_: Any) -> Iterator[Any]:
        """Serialize each request and yield an empty response."""
        from google.cloud.bigquery_storage_v1 import types  # noqa: PLC0415

        for request in requests:
            types.AppendRowsRequest.serialize(request)
            yield types.AppendRowsResponse()

    def hang_up(self) -> None:
        """Do nothing."""

    close = hang_up


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        given = json.loads(sys.argv[1])
        if "fill" in given:
            fill(Path(given["fill"]), given["records"])
        else:
            child(given)
    else:
        main()
