"""The record in a local folder: Parquet files by day and hour, which DuckDB and Polars query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from customer_risk.model.errors import ConfigError

if TYPE_CHECKING:
    from customer_risk.serving.record.sinks.interface import Sink


class FolderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="folder"):
    """A local folder's settings.

    path   of the folder; made where it is missing
    """

    path: str

    def open(self, shipper: str) -> Sink:
        """Make the sink; `shipper` names the chain of manifests that it writes. Raises ConfigError without a path."""
        from customer_risk.serving.record.sinks.objects import LocalObjects, ObjectSink  # noqa: PLC0415  only where it is used
        from customer_risk.serving.record.sinks.parquet import SUFFIX, Parquet  # noqa: PLC0415

        if not self.path:
            raise ConfigError("record.ship.sinks: the folder's `path` is empty.", remedy="Name a folder.")
        return ObjectSink("folder", LocalObjects(Path(self.path)), Parquet().encode, SUFFIX, shipper)
