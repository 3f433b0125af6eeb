"""The decision record's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.model.files import read_file
from customer_risk.serving.record.shipper.settings import ShipperConfig, ShipSettings
from customer_risk.serving.record.sinks.settings import FolderSettings
from customer_risk.serving.telemetry.logs import LogSettings

_Positive = Annotated[int, msgspec.Meta(gt=0)]
_MOST_KEY: Final = 64 * 1024
_MOST_FILE_BYTES: Final = 1 << 30  # one call of read returns at most 2 GiB
_LEAST_KEY = 32  # bytes


class RecordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The decision record's settings.

    enabled          record each decision before its answer is sent
    folder           of the outbox, on a disk that survives a restart of the container
    most_bytes       size of the outbox at most, including shipped records that are still kept
    file_bytes       size of a file, allocated when it is made
    when_full        for decisions that can't be recorded; refuse: 503; answer_unrecorded: answer, and count them
    refusal_share    share of the outbox for records of refused requests, at most
    customer_id      as_given, or hashed with the key in `key_file`, which is then needed to look a customer up
    key_file         file of at least 32 bytes; white space at its ends doesn't count
    older_key_files  files of former keys of hashed ids, newest first; look-ups and erasures try these keys too
    access_log       file to which `customer-risk audit` appends who read which decisions; empty: standard error
    ship             sinks of the records; without one, to Parquet files in the outbox's folder `shipped`
    """

    enabled: bool = False
    folder: str = ""
    most_bytes: _Positive = 1024 * 1024 * 1024
    file_bytes: _Positive = 4 * 1024 * 1024
    when_full: Literal["refuse", "answer_unrecorded"] = "refuse"
    refusal_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    customer_id: Literal["as_given", "hashed"] = "as_given"
    key_file: str = ""
    older_key_files: tuple[str, ...] = ()
    access_log: str = ""
    ship: ShipSettings = ShipSettings()

    def key(self) -> bytes | None:
        """Return the key that customers' ids are hashed with, None if they aren't hashed; raises ConfigError."""
        return _read_key("record.key_file", self.key_file) if self.customer_id == "hashed" else None

    def keys(self) -> tuple[bytes, ...]:
        """Return all keys that ids may have been hashed with, the newest first; raises ConfigError."""
        newest = self.key()
        older = (_read_key("record.older_key_files", path) for path in self.older_key_files)
        return (*(() if newest is None else (newest,)), *older)

    def shipper_config(self, logs: LogSettings) -> ShipperConfig:
        """Return the settings of the shipper."""
        sinks = self.ship.sinks or (FolderSettings(path=str(Path(self.folder) / "shipped")),)
        ship = msgspec.structs.replace(self.ship, sinks=sinks)
        return ShipperConfig(folder=str(Path(self.folder).absolute()), most_bytes=self.most_bytes, ship=ship, logs=logs)

    def check(self) -> None:
        """Raise ConfigError if the settings contradict each other.

        The files of keys aren't read: the shipper calls this too, and can't read them.
        """
        if self.enabled and not self.folder:
            raise ConfigError("record.folder is empty.", remedy="Name a folder on a disk that outlives the container.")
        if self.file_bytes * 4 > self.most_bytes:
            raise ConfigError(
                "record.file_bytes is more than a quarter of record.most_bytes.",
                remedy="Set a smaller record.file_bytes.",
            )
        if self.file_bytes > _MOST_FILE_BYTES:
            raise ConfigError(f"record.file_bytes is more than {_MOST_FILE_BYTES}.", remedy="Set a smaller size.")
        if self.enabled:
            self.shipper_config(LogSettings()).ship.check()


def _read_key(setting: str, path: str) -> bytes:
    try:
        key = read_file(Path(path), most=_MOST_KEY).strip() if path else b""
    except OSError as error:
        raise ConfigError(f"{setting} can't be read: {error}.", remedy="Mount the key's file.") from error
    if len(key) < _LEAST_KEY:
        raise ConfigError(
            f"{setting} must name a file of at least {_LEAST_KEY} bytes.",
            remedy="Make a random key, for example with `openssl rand -out FILE 32`.",
        )
    return key
