"""The settings of the record in BigQuery."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from customer_risk.model.errors import ConfigError

if TYPE_CHECKING:
    from customer_risk.serving.record.sinks.interface import Sink

_FIVE_YEARS: Final = 1827  # days, with the leap years that five may have
_NAMES: Final = {
    "project": re.compile(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]*"),
    "dataset": re.compile(r"[A-Za-z0-9_]+"),
    "table": re.compile(r"[A-Za-z0-9_]+"),
}


class BigQuerySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="bigquery"):
    """A table's settings; credentials are the environment's (Workload Identity, GOOGLE_APPLICATION_CREDENTIALS).

    project, dataset, table  where the record goes; views stand beside the table, named after it
    keep_days                partitions older than this are deleted by BigQuery; applied by `customer-risk audit init`
    location                 of the dataset, where `init` has to make it
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
        """Give the table's full name."""
        return f"{self.project}.{self.dataset}.{self.table}"

    def validate(self) -> None:
        """Raise ConfigError for names that BigQuery doesn't have: they go into queries."""
        for name, form in _NAMES.items():
            if not form.fullmatch(getattr(self, name)):
                raise ConfigError(
                    f"record.ship.sinks: bigquery: {name} {getattr(self, name)!r} is none.",
                    remedy=f"Name the {name}, in letters, digits and {'dashes' if name == 'project' else '_'}.",
                )

    def open(self, shipper: str) -> Sink:  # noqa: ARG002  a stream belongs to whoever has the place
        """Make the sink; raises ConfigError for names that BigQuery doesn't have."""
        from customer_risk.serving.record.sinks.bigquery.sink import BigQuerySink  # noqa: PLC0415  only where it is used

        self.validate()
        return BigQuerySink(self)
