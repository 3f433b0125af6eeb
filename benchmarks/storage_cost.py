# ruff: noqa: INP001  a script
"""Measure a decision's record in every form it is stored in, and compute what storing it costs; prints Markdown.

    .venv/bin/python benchmarks/storage_cost.py [--writers 4] [--batch-seconds 2]

A thousand decisions about 50 transactions each, with all 114 features, are recorded as the server records them. Prices
are those of docs/prices.yaml, without taxes, discounts and traffic within Google Cloud. "After five years" is the month
in which the first records are deleted; later months cost the same.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import yaml

from benchmarks.serving.material import make_material
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.model.scoring.golden import cpu_family
from customer_risk.serving.contract.columns import Column
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.record import decode, document
from customer_risk.serving.record.outbox.writer import Outbox
from customer_risk.serving.record.recorder import Recorder
from customer_risk.serving.record.sinks.bigquery.schema import COLUMNS
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.parquet import Parquet

PRICES: Final = Path(__file__).parent.parent / "docs" / "prices.yaml"
RECORDS: Final = 1000
TRANSACTIONS: Final = 50
RATES: Final = (10_000_000, 100_000_000)
DAYS: Final = 365.25 / 12  # of a month
GIB: Final = 2.0**30
TIB: Final = 2.0**40
PEAK: Final = 3  # times the mean rate, for capacity that is reserved


@dataclass(frozen=True)
class Sizes:
    """Bytes of one record: in the outbox, as BigQuery counts them, as a line of JSON, compressed, and in Parquet."""

    outbox: float
    logical: float
    line: float
    lines: float
    parquet: float


@click.command(help=__doc__)
@click.option(
    "--writers",
    default=4,
    show_default=True,
    help="Server processes at 10 million a day; ten times as many at 100 million.",
)
@click.option("--batch-seconds", default=2.0, show_default=True, help="record.ship.batch_seconds.")
def main(writers: int, batch_seconds: float) -> None:
    """Run the benchmark and print its tables."""
    prices = {name: each["usd"] for name, each in yaml.safe_load(PRICES.read_text())["prices"].items()}
    by_rate = {rate: segments_a_day(rate, writers * rate // RATES[0], batch_seconds) for rate in RATES}
    together = round(RATES[0] / by_rate[RATES[0]])
    sizes = measure(together)
    click.echo(f"{together} records in a segment.\n")
    click.echo("| bytes of a record | |\n|---|---|")
    for name, value in (
        ("in the outbox", sizes.outbox),
        ("as BigQuery counts it (logical bytes)", sizes.logical),
        ("as a line of JSON", sizes.line),
        ("in a segment of compressed lines (bucket)", sizes.lines),
        ("in a segment of Parquet (folder)", sizes.parquet),
    ):
        click.echo(f"| {name} | {value:,.0f} |")
    for rate, segments in by_rate.items():
        _tell(rate, sizes, prices, segments)


def measure(together: int) -> Sizes:
    """Record decisions and store them, `together` in a segment; return the sizes."""
    with tempfile.TemporaryDirectory() as scratch:
        material = make_material(Path(scratch) / "model")
        service = Service("customer-risk")
        service.use(load_bundle(material.bundle))
        outbox = Outbox(Path(scratch) / "outbox", most_bytes=10**9, file_bytes=10**9)
        recorder = Recorder(outbox, cpu=cpu_family())
        chance = random.Random(7)  # noqa: S311  made-up customers
        rows = [row for one in material.raw for row in one["transactions"]]
        for number in range(RECORDS):
            # No two transactions are equal: compression would be better than in reality.
            sent = [_another(row, chance) for row in chance.sample(rows, TRANSACTIONS)]
            request = material.raw[0] | {"customer_id": f"customer-{number:08d}", "transactions": sent}
            answer = service.answer(json.dumps(request).encode())
            recorder.decided(answer, caller="payments", route="/ai/v1/risk", trace=None, took=240)
        recorder.commit()
        recorder.close()
        (file,) = find_files(Path(scratch) / "outbox")
        kept = file.read(0, RECORDS)
        written = [document(record, file.names(record.names)) for record in (decode(each.body) for each in kept)]
        segments = [written[first : first + together] for first in range(0, RECORDS, together)]
        parquet = Parquet()
        return Sizes(
            outbox=file.size() / RECORDS,
            logical=sum(logical_bytes(_row(each)) for each in written) / RECORDS,
            line=sum(len(msgspec.json.encode(each)) + 1 for each in written) / RECORDS,
            lines=sum(len(Lines().encode(each)) for each in segments) / RECORDS,
            parquet=sum(len(parquet.encode(each)) for each in segments) / RECORDS,
        )


def _row(document: Mapping[str, Any]) -> dict[str, Any]:
    model = document["model"]
    return {**document, "model_name": model["name"], "model_version": model["version"]}


def _another(row: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    created = dt.datetime(2024, 6, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=chance.randrange(80 * 86_400_000_000))
    completed = created + dt.timedelta(microseconds=chance.randrange(10_000_000_000))
    return {
        **row,
        "amount": round(row["amount"] * chance.uniform(0.5, 2), 2),
        "created_at": created.isoformat(),
        "completed_at": row["completed_at"] and completed.isoformat(),
    }


def logical_bytes(row: Mapping[str, Any], columns: Sequence[Column] = COLUMNS) -> int:
    """Return a row's bytes as BigQuery bills them: 8 for a number or time, 1 for a boolean, 2 plus a text's length."""
    total = 0
    for column in columns:
        value = row.get(column.name)
        for each in value if column.mode == "REPEATED" else () if value is None else (value,):
            total += logical_bytes(each, column.fields) if column.fields else _one(each, column.type)
    return total


def _one(value: Any, kind: str) -> int:
    if kind == "STRING":
        return 2 + len(value.encode())
    if kind == "BYTES":
        return 2 + len(base64.b64decode(value))
    return 0 if value is None else 1 if kind == "BOOLEAN" else 8


def segments_a_day(rate: int, writers: int, batch_seconds: float) -> float:
    """Return the number of segments: each process writes one every `batch_seconds`, or at a thousand records."""
    return max(rate / 1000, min(rate, writers * 86_400 / batch_seconds))


def kept(months: float, days: float, start: float, end: float) -> float:
    """Return how many days' records are `start` to `end` days old, `months` after the first record."""
    age = months * days
    return max(0.0, min(age, end) - start)


def costs(
    rate: int, sizes: Sizes, prices: Mapping[str, float], segments: float, months: float
) -> dict[str, float | None]:
    """Return the cost of a month, `months` after the first record; None if the amount can't be stored."""
    logical, lines, line = (rate * each / GIB for each in (sizes.logical, sizes.lines, sizes.line))  # GiB a day
    young, old = kept(months, DAYS, 0, 90), kept(months, DAYS, 90, 60 * DAYS)
    write = max(0.0, logical * DAYS - prices["bigquery_write_free_gib"]) * prices["bigquery_write_gib"]
    physical = rate * sizes.parquet / GIB
    objects = segments * DAYS / 1000  # thousands a month; their manifests and salts aren't moved to Archive
    bucket = (
        lines * DAYS * prices["gcs_replication_gib"]
        + 3 * objects * prices["gcs_write_thousand"]
        + lines * young * prices["gcs_standard_gib"]
        + lines * old * prices["gcs_archive_gib"]
        + (objects * prices["gcs_to_archive_thousand"] if old else 0)
    )
    stored = young + old
    outbox = rate * sizes.outbox / GIB * stored
    nodes = max(
        1.0, PEAK * rate / 86_400 / 10_000, outbox * GIB / TIB / prices["bigtable_node_hdd_tib"]
    )  # ten thousand rows a second for each node
    return {
        "BigQuery, Storage Write API, logical bytes": write
        + logical * (young * prices["bigquery_logical_gib"] + old * prices["bigquery_logical_old_gib"]),
        "BigQuery, Storage Write API, physical bytes": write
        + physical * (young * prices["bigquery_physical_gib"] + old * prices["bigquery_physical_old_gib"]),
        "Cloud Storage, Standard, Archive from day 90": bucket,
        "Pub/Sub to BigQuery (beside BigQuery's storage)": line
        * DAYS
        / 1024
        * (prices["pubsub_tib"] + prices["pubsub_to_bigquery_tib"]),
        "Cloud Logging": line * (DAYS * prices["logging_gib"] + max(0.0, stored - 30) * prices["logging_kept_gib"]),
        "Bigtable, HDD": nodes * 730 * prices["bigtable_node_hour"] + outbox * prices["bigtable_hdd_gib"],
        "Cloud SQL, SSD, storage alone": None
        if outbox > prices["cloudsql_most_tib"] * 1024
        else outbox * prices["cloudsql_ssd_gib"],
    }


def _tell(rate: int, sizes: Sizes, prices: Mapping[str, float], segments: float) -> None:
    months = (1, 12, 60)
    by_month = [costs(rate, sizes, prices, segments, each) for each in months]
    click.echo(f"\n{rate // 10**6} million decisions a day, {segments:,.0f} segments, USD a month:\n")
    click.echo("| | first month | after a year | after five years |\n|---|---|---|---|")
    for name in by_month[0]:
        cells = ["too large" if each[name] is None else f"{each[name]:,.0f}" for each in by_month]
        click.echo(f"| {name} | {' | '.join(cells)} |")
    days = dt.timedelta(days=60 * DAYS).days
    tib = [rate * each * days / TIB for each in (sizes.logical, sizes.parquet, sizes.lines)]
    click.echo(
        f"\nAfter five years: {tib[0]:,.0f} TiB in BigQuery (logical; about {tib[1]:,.0f} physical), "
        f"{tib[2]:,.0f} TiB in the bucket. A query that reads all columns of a day costs "
        f"{rate * sizes.logical / TIB * prices['bigquery_query_tib']:.2f} USD."
    )


if __name__ == "__main__":
    main()
