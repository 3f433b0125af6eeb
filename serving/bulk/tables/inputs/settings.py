"""The settings of every kind of input."""

from __future__ import annotations

import msgspec


class BigQueryInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="bigquery"):
    """A table's settings; credentials are the environment's (Workload Identity, GOOGLE_APPLICATION_CREDENTIALS).

    project, dataset, table  of a table or a view, with one row for each customer
    where                    condition of the rows to score, in GoogleSQL; empty: all rows
    job_project              project that pays for the query; empty: `project`
    endpoint                 of the REST interface, if not Google's; no credentials go to one that begins with http:
    """

    project: str
    dataset: str
    table: str
    where: str = ""
    job_project: str = ""
    endpoint: str = ""


class GcsInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="gcs"):
    """A bucket's settings; credentials are the environment's (Workload Identity, GOOGLE_APPLICATION_CREDENTIALS).

    bucket     a bucket in which this identity may list and get objects
    prefix     every `.parquet` object whose name begins with it is read; a whole name selects only that object
    endpoint   URL of another server, such as an emulator; no credentials are sent to one that begins with http:
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""


class FolderInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="folder"):
    """A folder's settings.

    path   of one Parquet file, or of a folder: every `.parquet` beneath it
    """

    path: str


InputSettings = BigQueryInput | GcsInput | FolderInput
