"""Jobs as the store keeps them and as their callers see them, and their settings."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from customer_risk.serving.contract.problem import Problem

Format = Literal["ndjson", "csv", "parquet"]
State = Literal["queued", "running", "done", "failed", "cancelled"]
FINAL: Final = frozenset(("done", "failed", "cancelled"))


class JobSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The jobs' settings.

    enabled            whether jobs are accepted
    keep_seconds       how long a job, its input and its results are kept after its submission
    most_bytes         bytes in one upload or file
    most_rows          rows in one upload or file; NDJSON's blank lines count too
    most_read_bytes    bytes of the requests made of a CSV or Parquet file, in JSON; they are never stored
    most_read_seconds  time to read the next piece of a CSV or Parquet file, or to make Parquet of results
    most_result_bytes  bytes of a job's results, compressed as the store keeps them
    most_memory_bytes  memory that the worker may use in addition to that at its start; a job that needs more fails
    folders            folders in which a caller may name files, which the service reads
    lease_seconds      time after which a worker that doesn't renew its lease counts as dead, and another continues
    """

    enabled: bool = True
    keep_seconds: Annotated[float, Meta(gt=0)] = 86_400
    most_bytes: Annotated[int, Meta(gt=0)] = 256 * 1024 * 1024
    most_rows: Annotated[int, Meta(gt=0)] = 1_000_000
    most_read_bytes: Annotated[int, Meta(gt=0)] = 1024 * 1024 * 1024
    most_read_seconds: Annotated[float, Meta(gt=0)] = 60
    most_result_bytes: Annotated[int, Meta(gt=0)] = 384 * 1024 * 1024
    most_memory_bytes: Annotated[int, Meta(ge=64 * 1024 * 1024)] = 384 * 1024 * 1024
    folders: tuple[str, ...] = ()
    lease_seconds: Annotated[float, Meta(gt=0)] = 15


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the store keeps it; times are in seconds since 1970.

    The store has the input as it was sent in `pieces` pieces, and the results in `next_piece` pieces. For NDJSON each
    piece of input has one piece of results. For the other formats the first `at` bytes (CSV) or rows (Parquet) are
    answered. `rows` is None until it is known. `read_bytes` counts the bytes of the requests that were read,
    `result_bytes` those of the stored results. `attempts` is how often a worker has begun the next piece. `ignored` are
    the file's columns that aren't read, as in the view.
    """

    job_id: str
    caller: str
    explain: bool
    format: Format
    state: State = "queued"
    pieces: int
    next_piece: int = 0
    rows: int | None
    done: int = 0
    failed: int = 0
    created: float
    started: float | None = None
    ended: float | None = None
    expires: float
    problem: Problem | None = None
    at: int = 0
    read_bytes: int = 0
    result_bytes: int = 0
    attempts: int = 0
    ignored: tuple[str, ...] = ()


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job as its caller sees it; unknown values are null."""

    job_id: Annotated[str, Meta(description="its identifier")]
    state: Annotated[State, Meta(description="the last three are final")]
    rows: Annotated[int | None, Meta(description="customers in the input")]
    done: Annotated[int, Meta(description="customers answered or refused so far")]
    failed: Annotated[int, Meta(description="customers refused, each with its problem in the results")]
    rate: Annotated[float | None, Meta(description="customers a second")]
    seconds_left: Annotated[float | None, Meta(description="at that rate")]
    created_at: Annotated[str, Meta(description="RFC 3339")]
    expires_at: Annotated[str, Meta(description="RFC 3339; the job, its input and its results are then deleted")]
    problem: Annotated[Problem | None, Meta(description="why it failed")]
    results: Annotated[str | None, Meta(description="path of the results if it is done")]
    ignored: Annotated[
        tuple[str, ...],
        Meta(description="columns of a CSV or Parquet file that aren't read, the first 20; known once rows are done"),
    ] = ()


class JobList(msgspec.Struct, frozen=True):
    """A caller's jobs, the oldest first."""

    jobs: list[JobView]


class JobPath(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The path of a file that the service reads."""

    path: Annotated[str, Meta(min_length=1, description="beneath a folder that the deployment allows")]


def view(job: Job, path: str, *, now: float) -> JobView:
    """Return a job's view at `now` (seconds since 1970); `path` is the URL path of all jobs."""
    rate = left = None
    if job.started is not None and job.done:
        rate = job.done / max((job.ended or now) - job.started, 1e-6)
        if job.rows is not None and job.state == "running":
            left = (job.rows - job.done) / rate
    return JobView(
        job_id=job.job_id,
        state=job.state,
        rows=job.rows,
        done=job.done,
        failed=job.failed,
        rate=rate,
        seconds_left=left,
        created_at=_written(job.created),
        expires_at=_written(job.expires),
        problem=job.problem,
        results=f"{path}/{job.job_id}/results" if job.state == "done" else None,
        ignored=job.ignored,
    )


def _written(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat().replace("+00:00", "Z")
