"""The shipper's settings."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.sinks.settings import SinkSettings
from customer_risk.serving.telemetry.logs import LogSettings

_Positive = Annotated[int, msgspec.Meta(gt=0)]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class ShipSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The shipper's settings.

    embedded                     `customer-risk serve` keeps a shipper going; false where `customer-risk ship` runs
                                 beside it
    sinks                        where records go, each independently of the others
    keep_seconds                 shipped records stay for so long, so that an emptied sink can be filled again
    batch_records                at most so many in one write
    batch_bytes                  at most about so many in one write, as the outbox holds them; a larger record goes
                                 alone
    batch_seconds                a record waits for others at most so long
    drain_seconds                from SIGTERM on, what is left is shipped for at most so long
    spool                        folder, on a disk that outlives the pod, for what couldn't be shipped by then; the next
                                 shipper takes it over. Empty: it stays in the outbox
    metrics_host, metrics_port   address and port of the shipper's own metrics; port 0: none
    """

    embedded: bool = True
    sinks: tuple[SinkSettings, ...] = ()
    keep_seconds: _Seconds = 86_400
    batch_records: _Positive = 1000
    batch_bytes: _Positive = 4 * 1024 * 1024
    batch_seconds: _Seconds = 2.0
    drain_seconds: _Seconds = 20
    spool: str = ""
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0

    def check(self) -> None:
        """Raise ConfigError where the settings can't be used together."""
        if not self.sinks:
            raise ConfigError("record.ship.sinks is empty.", remedy="Name one: {type: folder, path: ...}.")
        kinds = Counter(type(each).__name__ for each in self.sinks)
        if max(kinds.values()) > 1:
            raise ConfigError(
                "record.ship.sinks has two of one type.", remedy="Progress is kept by type: give each once."
            )


class ShipperConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a shipper process is told: which outbox, how large it may get, and where to.

    most_bytes   of the outbox: above 80% of it, shipped files are removed before `keep_seconds` are over
    """

    folder: str
    most_bytes: int
    ship: ShipSettings
    logs: LogSettings = LogSettings()
