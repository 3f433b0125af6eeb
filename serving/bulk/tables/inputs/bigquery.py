"""A table or view of BigQuery: a query whose result is kept for a day, read page by page."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from google.api_core.exceptions import Conflict, NotFound
from google.cloud.bigquery import Client, QueryJob, SchemaField

from customer_risk.model.google_cloud.credentials import ONCE
from customer_risk.serving.bulk.forms import bigquery_kind
from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.bulk.tables.inputs.columns import BIGQUERY, request_of
from customer_risk.serving.bulk.tables.inputs.interface import Block, Rows
from customer_risk.serving.bulk.tables.inputs.settings import BigQueryInput
from customer_risk.serving.record.sinks.bigquery.connections import Connections
from customer_risk.serving.record.sinks.settings import BigQuerySettings

_PAGE: Final = 1000  # rows; at 50 transactions each they are near the 10 MB that a page may have
_AHEAD: Final = 4  # pages that are requested at once
_PAGE_SECONDS: Final = 60.0  # for one page
_QUERY_SECONDS: Final = 1800.0  # for the query
_ATTEMPTS: Final = 20
_AT_ONCE: Final[dict[str, Any]] = {"timeout": _QUERY_SECONDS, "retry": None, "job_retry": None}
_REMEDY: Final = (
    "Check input.where, and grant this identity roles/bigquery.dataViewer on the dataset and roles/bigquery.jobUser "
    "on the project."
)


class BigQuerySource:
    """The rows of a query whose job is named after the run, so that a continued run finds the same result.

    Raises ConfigError for names that are invalid in BigQuery.
    """

    def __init__(self, settings: BigQueryInput, name: str, wanted: Sequence[str]) -> None:
        connection = BigQuerySettings(
            project=settings.project, dataset=settings.dataset, table=settings.table, endpoint=settings.endpoint
        )
        connection.validate("input")
        self._settings = settings
        self._path = connection.path
        self._name = name
        self._wanted = wanted
        self._connections = Connections(connection, "input")

    def identity(self) -> str:
        """Return the name of the query's job, which BigQuery accepts once: it identifies the result."""
        return str(self._job.job_id)

    def blocks(self) -> Sequence[Block]:
        """Return one block: all of the result."""
        return [Block(self._path, 1.0)]

    @contextmanager
    def open(self, place: int) -> Iterator[Rows]:  # noqa: ARG002  there is one
        """Open the result; raises UnusableInput if it no longer exists."""
        count = self._page(0, 1)[0]
        yield _Result(self, count)

    def page(self, first: int) -> list[bytes]:
        """Return the rows from a number on, at most one page."""
        return [each.encode() for each in self._page(first, _PAGE)[1]]

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _page(self, first: int, most: int) -> tuple[int, list[str]]:
        try:
            with self._connections.reaching(NotFound):
                # A job object for each thread: the object stores its last response.
                job = QueryJob.from_api_repr(self._job.to_api_repr(), self._connections.rest)  # type: ignore[no-untyped-call]
                rows = job.result(
                    start_index=first,
                    max_results=most,
                    page_size=most,
                    timeout=_PAGE_SECONDS,
                    retry=None,
                    job_retry=None,
                )
                return rows.total_rows or 0, [row[0] for row in rows]
        except NotFound as error:
            raise UnusableInput(
                f"The result of {self._job.job_id} from {self._path} is gone: BigQuery keeps results for a day.",
                remedy="Give the run another name, and remove its unfinished results.",
            ) from error

    @cached_property
    def _job(self) -> QueryJob:
        """Return the run's query job, created if needed; raises ConfigError, UnusableInput."""
        with self._connections.translating("read", _REMEDY):
            job = self._asked(self._connections.rest)
            job.result(max_results=0, **_AT_ONCE)
            return job

    def _asked(self, client: Client) -> QueryJob:
        """Return the run's query once it is finished; start it unless the run has started it before.

        BigQuery accepts each job's name once, so after a failed or empty job the next one has another name.
        """
        table = client.get_table(self._path, **ONCE)
        query = self._query(table.schema)
        place = {"project": self._settings.job_project or self._settings.project, "location": table.location}
        for attempt in range(_ATTEMPTS):
            digest = hashlib.sha256(f"{attempt} {query}".encode()).hexdigest()[:16]
            job_id = f"customer-risk-{self._name}-{digest}"
            try:
                job: QueryJob = client.get_job(job_id, **place, **ONCE)  # type: ignore[assignment]
                if job.error_result is None and job.result(max_results=0, **_AT_ONCE).total_rows:
                    return job
            except NotFound:
                try:
                    return client.query(query, job_id=job_id, **place, job_retry=None, **ONCE)
                except Conflict:  # another process of the same run has started it
                    return client.get_job(job_id, **place, **ONCE)  # type: ignore[return-value]
        raise UnusableInput(
            f"The query of {self._path} has failed {_ATTEMPTS} times.", remedy="Check the project's job history."
        )

    def _query(self, fields: Sequence[SchemaField]) -> str:
        columns = {each.name: bigquery_kind(each) for each in fields}
        request = request_of(columns, self._wanted, BIGQUERY, self._path)
        where = f" WHERE {self._settings.where}" if self._settings.where else ""
        return f"SELECT {request} AS request FROM `{self._path}`{where}"  # noqa: S608  names are checked; the condition is the operator's


class _Result:
    """The result's rows; some pages are fetched ahead, since each takes a second."""

    def __init__(self, source: BigQuerySource, count: int) -> None:
        self._source = source
        self.count = count

    def lines(self, first: int) -> Iterator[Sequence[bytes]]:
        """Return the rows from a number on."""
        firsts = iter(range(first, self.count, _PAGE))
        waiting: deque[Future[list[bytes]]] = deque()
        pool = ThreadPoolExecutor(_AHEAD)
        try:
            for at in firsts:
                waiting.append(pool.submit(self._source.page, at))
                if len(waiting) == _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
