"""The shipper's settings."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.sinks.settings import ObjectsSettings, SinkSettings
from customer_risk.serving.telemetry.logs import LogSettings

ANCHORS: Final = "record.ship.anchors"  # the setting that messages name
_Positive = Annotated[int, msgspec.Meta(gt=0)]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class ShipSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The shipper's settings.

    embedded                     `customer-risk serve` runs a shipper; false if `customer-risk ship` runs beside it
    sinks                        destinations of the records, each independent of the others
    keep_seconds                 how long shipped records are kept, so that an emptied sink can be filled again
    batch_records                records in one write, at most
    batch_bytes                  bytes in one write, at most, approximately; a larger record is written alone
    batch_seconds                how long a record waits for others, at most
    drain_seconds                how long remaining records are shipped after SIGTERM, at most
    anchor_seconds               interval at which the chains' ends are written to the log and to `anchors`; 0: never
    anchors                      folders and buckets, other than the sinks', for the chains' ends
    spool                        folder, on a disk that outlives the pod, for records that weren't shipped by then; the
                                 next shipper ships them. Empty: they stay in the outbox
    metrics_host, metrics_port   address and port of the shipper's metrics; port 0: not served
    """

    embedded: bool = True
    sinks: tuple[SinkSettings, ...] = ()
    keep_seconds: _Seconds = 86_400
    batch_records: _Positive = 1000
    batch_bytes: _Positive = 4 * 1024 * 1024
    batch_seconds: _Seconds = 2.0
    drain_seconds: _Seconds = 20
    anchor_seconds: _Seconds = 3600
    anchors: tuple[ObjectsSettings, ...] = ()
    spool: str = ""
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0

    def check(self) -> None:
        """Raise ConfigError if the settings can't be used together."""
        if not self.sinks:
            raise ConfigError("record.ship.sinks is empty.", remedy="Name one: {type: folder, path: ...}.")
        kinds = Counter(type(each).__name__ for each in self.sinks)
        if max(kinds.values()) > 1:
            raise ConfigError(
                "record.ship.sinks has two of one type.", remedy="Progress is kept by type: give each type once."
            )
        if any(each in self.sinks for each in self.anchors):
            raise ConfigError(
                f"{ANCHORS} names the same place as a sink.",
                remedy="Name a folder or a bucket that those who can write to the sink can't write to.",
            )


class ShipperConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a shipper process: the outbox, its size, the sinks and the logs.

    most_bytes   of the outbox: above 80% of it, shipped files are removed before `keep_seconds` are over
    """

    folder: str
    most_bytes: int
    ship: ShipSettings
    logs: LogSettings = LogSettings()
