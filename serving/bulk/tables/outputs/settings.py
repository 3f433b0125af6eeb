"""The settings of every kind of output."""

from __future__ import annotations

from typing import Annotated

import msgspec


class BigQueryOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="bigquery"):
    """A table's settings; credentials are the environment's (Workload Identity, GOOGLE_APPLICATION_CREDENTIALS).

    project, dataset, table  of the results; it and TABLE_runs are created in an existing dataset
    keep_days                partitions older than this are deleted by BigQuery; applied when the tables are created
    endpoint                 of the REST interface, if not Google's; no credentials go to one that begins with http:
    """

    project: str
    dataset: str
    table: str = "scores"
    keep_days: Annotated[int, msgspec.Meta(gt=0)] = 400
    endpoint: str = ""


class GcsOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="gcs"):
    """A bucket's settings; credentials are the environment's (Workload Identity, GOOGLE_APPLICATION_CREDENTIALS).

    bucket     an existing bucket in which this identity may create, get and list objects
    prefix     prefix of every object's name
    endpoint   URL of another server, such as an emulator; no credentials are sent to one that begins with http:
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""


class FolderOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="folder"):
    """A folder's settings.

    path   of the folder; created if it is missing
    """

    path: str


OutputSettings = BigQueryOutput | GcsOutput | FolderOutput
