"""Chooses how a job's file is read and its results are written; loads DuckDB for Parquet alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from customer_risk.serving.bulk.jobs.readers import CsvReader, FileReader
from customer_risk.serving.bulk.jobs.types import Job, JobSettings


def open_file(job: Job, parts: Callable[[], Iterable[bytes]], settings: JobSettings) -> FileReader:
    """Return a reader of a job's file that begins after the rows with results; raises as `FileReader` does."""
    if job.format == "csv":
        return CsvReader(parts, settings, at=job.at, rows=job.rows)
    from customer_risk.serving.bulk.jobs.parquet import ParquetReader

    return ParquetReader(parts(), settings, at=job.at)


def write_parquet(packed: Iterable[bytes], path: Path, settings: JobSettings) -> None:
    """Write results, lines of JSON compressed by gzip, as Parquet; raises as `to_parquet` does."""
    from customer_risk.serving.bulk.jobs.parquet import to_parquet

    to_parquet(packed, path, settings)
