"""Results in a table of BigQuery: one load job for each part, which stores all of it or nothing.

BigQuery accepts each job's name only once, so a part whose job is named after the run is stored once, even if two
processes work on one run. If the result of a job isn't known, the table is queried first.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound
from google.cloud.bigquery import LoadJob, LoadJobConfig, ScalarQueryParameter, SchemaField, Table, TimePartitioning

from customer_risk.model.errors import ConfigError
from customer_risk.model.google_cloud.credentials import ONCE
from customer_risk.model.google_cloud.errors import PASSING
from customer_risk.serving.bulk.tables.errors import ResultsAltered, UnusableInput
from customer_risk.serving.bulk.tables.outputs.rows import COLUMNS, Place
from customer_risk.serving.bulk.tables.outputs.settings import BigQueryOutput
from customer_risk.serving.contract.columns import Column
from customer_risk.serving.record.sinks.bigquery.connections import Connections, unavailable
from customer_risk.serving.record.sinks.bigquery.setup import fields
from customer_risk.serving.record.sinks.settings import BigQuerySettings

_DAY_MS: Final = 86_400_000
_ATTEMPTS: Final = 50
_UPLOAD_SECONDS: Final = 60.0  # for each request of an upload
_LOAD_SECONDS: Final = 600.0  # for a load job, which waits in a queue
_QUERY_SECONDS: Final = 120.0
_COUNTS: Final = """\
SELECT part, plan, COALESCE(segment, 'refused') AS segment, COUNT(*) AS counted FROM `{table}`
WHERE day = @day AND run = @run GROUP BY part, plan, segment"""
_SUMMARY: Final = "SELECT summary FROM `{table}` WHERE day = @day AND run = @run LIMIT 1"
_REMEDY: Final = (
    "Name a dataset that exists, and grant this identity roles/bigquery.dataEditor on it and roles/bigquery.jobUser on "
    "the project."
)
_RUNS: Final = (
    Column("day", "DATE", "REQUIRED", "of the run"),
    Column("run", "STRING", "REQUIRED", "the run's name and day; if this row exists, all rows of the run are stored"),
    Column("finished_at", "TIMESTAMP", "REQUIRED", ""),
    Column("rows", "INTEGER", "REQUIRED", "scored and refused"),
    Column("refused", "INTEGER", "REQUIRED", ""),
    Column("summary", "STRING", "REQUIRED", "the whole summary, as JSON"),
)

_log = logging.getLogger("serving.batch")


class BigQueryResults:
    """One run in the table of results and the table of runs.

    Raises ConfigError for names that are invalid in BigQuery.
    """

    def __init__(self, settings: BigQueryOutput, name: str, day: str) -> None:
        connection = BigQuerySettings(
            project=settings.project, dataset=settings.dataset, table=settings.table, endpoint=settings.endpoint
        )
        connection.validate("output")
        self._settings = settings
        self._path = connection.path
        self._name = name
        self._day = day
        self._connections = Connections(connection, "output")
        self._location: str | None = None
        self._tried: set[str] = set()  # parts that may be stored

    def check(self) -> None:
        """Create the tables, or check their columns and add those that a newer release writes; raises ConfigError."""
        with self._asking():
            self._location = self._have(self._path, COLUMNS).location
            self._have(f"{self._path}_runs", _RUNS)

    def summary(self) -> dict[str, Any] | None:
        """Return the summary in the run's row, or None if it is missing."""
        for (summary,) in self._ask(_SUMMARY.format(table=f"{self._path}_runs")):
            return msgspec.json.decode(summary, type=dict[str, Any])
        return None

    def begin(self, plan: str) -> Mapping[str, Mapping[str, int]]:
        """Return the stored parts' numbers of rows by segment."""
        counted: dict[str, dict[str, int]] = {}
        for part, found, segment, rows in self._ask(_COUNTS.format(table=self._path)):
            if found != plan:
                raise UnusableInput(
                    f"{self._path} has a part of {self._name} that was made from other input than the present one.",
                    remedy="Give the run another name, or delete its unfinished results.",
                )
            counted.setdefault(part, {})[segment] = rows
        return counted

    def store(self, place: Place, lines: Path) -> None:
        """Load a part, unless it exists."""
        if place.part in self._tried and place.part in self.begin(place.plan):
            return
        self._tried.add(place.part)
        with lines.open("rb") as file:
            self._load(file, self._path, COLUMNS, f"{place.plan[:12]}-{place.part}")
        self._tried.discard(place.part)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Load the run's row, unless it exists."""
        if self.summary() is not None:
            return
        # A part that was deleted by hand isn't loaded again: the name of its job was used.
        found = sum(sum(counts.values()) for counts in self.begin(summary["plan"]).values())
        if found != summary["rows"]:
            raise ResultsAltered(self._path, self._name, found, summary["rows"], "rows")
        row = {
            "day": self._day,
            "run": self._name,
            "finished_at": dt.datetime.now(dt.UTC),
            "rows": summary["rows"],
            "refused": summary["refused"],
            "summary": msgspec.json.encode(summary).decode(),
        }
        self._load(io.BytesIO(msgspec.json.encode(row)), f"{self._path}_runs", _RUNS, "summary")

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _load(self, file: BinaryIO, path: str, columns: Iterable[Column], what: str) -> None:
        """Load lines by the first job of a series that hasn't failed; a failed job stores nothing."""
        config = LoadJobConfig(
            schema=fields(columns), source_format="NEWLINE_DELIMITED_JSON", write_disposition="WRITE_APPEND"
        )
        client = self._connections.rest
        for attempt in range(_ATTEMPTS):
            digest = hashlib.sha256(f"{path} {what}".encode()).hexdigest()[:8]
            job_id = f"customer-risk-{self._name}-{what}-{digest}-{attempt}"
            with self._asking():
                try:
                    job: LoadJob = client.load_table_from_file(
                        *(file, path),
                        rewind=True,
                        job_id=job_id,
                        location=self._location,
                        num_retries=0,
                        timeout=_UPLOAD_SECONDS,
                        job_config=config,
                    )
                except Conflict:
                    job = client.get_job(job_id, location=self._location, **ONCE)
                    if job.state == "DONE" and job.error_result:
                        continue
                try:
                    job.result(timeout=_LOAD_SECONDS, retry=None)
                except GoogleAPICallError:
                    if (job.error_result or {}).get("reason") in PASSING:
                        raise unavailable(path, f"the load job {job.job_id} failed: {job.error_result}") from None
                    raise
                return
        raise unavailable(path, f"{_ATTEMPTS} load jobs have failed for {what}")

    def _ask(self, query: str) -> list[Any]:
        parameters = (ScalarQueryParameter("day", "DATE", self._day), ScalarQueryParameter("run", "STRING", self._name))
        with self._asking():
            return [row.values() for row in self._connections.query(query, parameters, seconds=_QUERY_SECONDS)]

    def _have(self, path: str, columns: Iterable[Column]) -> Table:
        """Create a table, or check an existing one and add the columns that it lacks and that may be null or empty.

        Raises ConfigError and leaves the table unchanged if another column is missing or a column differs.
        """
        client = self._connections.rest
        try:
            table: Table = client.get_table(path, **ONCE)
        except NotFound:
            client.get_dataset(f"{self._settings.project}.{self._settings.dataset}", **ONCE)  # NotFound: no dataset
            table = Table(path, schema=fields(columns))
            table.time_partitioning = TimePartitioning(
                type_="DAY", field="day", expiration_ms=self._settings.keep_days * _DAY_MS
            )
            made: Table = client.create_table(table, exists_ok=True, **ONCE)
            return made
        found = dict(_kinds(table.schema))
        missing = [column for column in columns if column.name not in found and column.mode != "REQUIRED"]
        for name, kind in _kinds(fields(column for column in columns if column not in missing)):
            if found.get(name) != kind:
                raise ConfigError(
                    f"output: bigquery: column {name} of {path} is {found.get(name) or 'missing'}, not {kind}.",
                    remedy="Name another table, which will be created; this one is unchanged.",
                )
        if missing:
            table.schema = [*table.schema, *fields(missing)]
            table = client.update_table(table, ["schema"], **ONCE)
            _log.info("columns added to %s: %s", path, ", ".join(column.name for column in missing))
        return table

    def _asking(self) -> AbstractContextManager[None]:
        """Raise ConfigError for errors that a repeated request would have too."""
        return self._connections.translating("written to", _REMEDY, Conflict)


def _kinds(schema: Iterable[SchemaField], within: str = "") -> Iterator[tuple[str, str]]:
    """Return each column's type by its name, nested ones by their path."""
    for each in schema:
        yield f"{within}{each.name}", f"{'REPEATED ' if each.mode == 'REPEATED' else ''}{each.field_type}"
        yield from _kinds(each.fields, f"{within}{each.name}.")
