"""The settings of every kind of sink."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from customer_risk.model.errors import ConfigError

SINKS: Final = "record.ship.sinks"  # the setting that messages name
_FIVE_YEARS: Final = 1827  # days, with the leap years that five may have
_NAMES: Final = {
    "project": re.compile(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]*"),
    "dataset": re.compile(r"[A-Za-z0-9_]+"),
    "table": re.compile(r"[A-Za-z0-9_]+"),
}


class FolderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="folder"):
    """A local folder's settings.

    path   of the folder; created if it is missing
    """

    path: str

    @property
    def where(self) -> str:
        """The folder, as messages name it."""
        return self.path


class GcsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="gcs"):
    """A bucket's settings; credentials are the environment's (Workload Identity, GOOGLE_APPLICATION_CREDENTIALS).

    bucket     an existing bucket in which this identity may create, get and list objects
    prefix     prefix of every object's name; empty: the bucket holds only the record
    endpoint   URL of another server, such as an emulator; no credentials are sent to one that begins with http:
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""

    @property
    def where(self) -> str:
        """The bucket and the prefix, as messages name them."""
        return f"gs://{self.bucket}/{self.prefix}"


class BigQuerySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="bigquery"):
    """A table's settings; credentials are the environment's (Workload Identity, GOOGLE_APPLICATION_CREDENTIALS).

    project, dataset, table  of the record; views named after the table are in the same dataset
    keep_days                partitions older than this are deleted by BigQuery; applied by `customer-risk audit init`
    location                 of the dataset, if `init` has to create it
    endpoint                 of the REST interface, if not Google's; no credentials go to one that begins with http:
    grpc_endpoint            of the Storage Write API, the same way
    """

    project: str
    dataset: str
    table: str = "decisions"
    keep_days: Annotated[int, msgspec.Meta(gt=0)] = _FIVE_YEARS
    location: str = "EU"
    endpoint: str = ""
    grpc_endpoint: str = ""

    @property
    def path(self) -> str:
        """The table's full name."""
        return f"{self.project}.{self.dataset}.{self.table}"

    def validate(self, setting: str = SINKS) -> None:
        """Raise ConfigError, naming `setting`, for names that aren't valid in BigQuery: they are used in queries."""
        for name, form in _NAMES.items():
            if not form.fullmatch(getattr(self, name)):
                raise ConfigError(
                    f"{setting}: bigquery: {name} {getattr(self, name)!r} is not a valid {name}.",
                    remedy=f"Name the {name}, in letters, digits and {'dashes' if name == 'project' else '_'}.",
                )


ObjectsSettings = FolderSettings | GcsSettings
SinkSettings = ObjectsSettings | BigQuerySettings
