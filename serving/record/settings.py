"""The decision record's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.shipper.settings import ShipperConfig, ShipSettings
from customer_risk.serving.record.sinks.settings import FolderSettings
from customer_risk.serving.telemetry.logs import LogSettings

_Positive = Annotated[int, msgspec.Meta(gt=0)]
_LEAST_KEY = 32  # bytes


class RecordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The decision record's settings.

    enabled         record each decision before its answer leaves
    folder          of the outbox: on a disk that a restarted container finds again
    most_bytes      of the outbox, shipped records that are still kept included
    file_bytes      a file that has grown past it is closed and another begun
    when_full       refuse: a decision that can't be recorded isn't given (503); answer_unrecorded: it is, and counted
    refusal_share   of the outbox that records of refused requests may take
    customer_id     as_given, or hashed with the key in `key_file`, so that only who has it can look a customer up
    key_file        at least 32 bytes; white space at its ends doesn't count
    ship            where records go from there; without a sink, to Parquet files in the outbox's folder `shipped`
    """

    enabled: bool = False
    folder: str = ""
    most_bytes: _Positive = 1024 * 1024 * 1024
    file_bytes: _Positive = 4 * 1024 * 1024
    when_full: Literal["refuse", "answer_unrecorded"] = "refuse"
    refusal_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    customer_id: Literal["as_given", "hashed"] = "as_given"
    key_file: str = ""
    ship: ShipSettings = ShipSettings()

    def key(self) -> bytes | None:
        """Read the key that customers' ids are hashed with, None where they are kept; raises ConfigError."""
        if self.customer_id == "as_given":
            return None
        try:
            key = Path(self.key_file).read_bytes().strip() if self.key_file else b""
        except OSError as error:
            raise ConfigError(f"record.key_file can't be read: {error}.", remedy="Mount the key.") from error
        if len(key) < _LEAST_KEY:
            raise ConfigError(
                f"record.key_file must name a file of at least {_LEAST_KEY} bytes.", remedy="Make a random key."
            )
        return key

    def shipper_config(self, logs: LogSettings) -> ShipperConfig:
        """Return the shipper's configuration: without sinks, it ships to the folder `shipped` beside the outbox."""
        sinks = self.ship.sinks or (FolderSettings(path=str(Path(self.folder) / "shipped")),)
        ship = msgspec.structs.replace(self.ship, sinks=sinks)
        return ShipperConfig(folder=str(Path(self.folder).absolute()), most_bytes=self.most_bytes, ship=ship, logs=logs)

    def check(self) -> None:
        """Raise ConfigError where the settings contradict each other."""
        if self.enabled and not self.folder:
            raise ConfigError("record.folder is empty.", remedy="Name a folder on a disk that outlives the container.")
        if self.file_bytes * 4 > self.most_bytes:
            raise ConfigError(
                "record.file_bytes is more than a quarter of record.most_bytes.", remedy="Make files smaller."
            )
        if self.enabled:
            self.shipper_config(LogSettings()).ship.check()
        self.key()
