"""What the audit commands are told: where the record is, and from when on."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

from customer_risk.model.errors import ConfigError
from customer_risk.serving.audit.progress import Progress
from customer_risk.serving.audit.records import Place, Records, place_at
from customer_risk.serving.audit.watched_store import Watched
from customer_risk.serving.record.settings import RecordSettings
from customer_risk.serving.record.sinks.factory import open_objects
from customer_risk.serving.record.sinks.settings import BigQuerySettings, ObjectsSettings, SinkSettings
from customer_risk.serving.settings import Settings, load_settings

_REMEDY: Final = "Give --from FOLDER, --from gs://BUCKET/PREFIX, --outbox FOLDER, or --config FILE."


@dataclass(frozen=True)
class Where:
    """Where the record is, as the options say, or else the configuration.

    places     that segments are read from: the first of them has all that was shipped there
    outbox     folder of records, shipped or not; None: it isn't asked
    settings   the server's; None without --config
    whole      all places are the configuration's
    """

    places: tuple[Place, ...]
    outbox: Path | None
    settings: Settings | None
    whole: bool = True

    def records(self) -> Records:
        """Read the outbox and the first place; raises ConfigError where there is neither."""
        if not self.places and self.outbox is None:
            raise ConfigError("Nothing says where the record is.", remedy=_REMEDY)
        return Records(self.places[:1], self.outbox)

    def outbox_alone(self) -> Records:
        """Read the outbox, whatever was shipped."""
        return Records((), self.outbox)

    def tables(self) -> list[BigQuerySettings]:
        """Return the tables in BigQuery that the configuration ships to."""
        sinks = () if self.settings is None or not self.whole else configured_sinks(self.settings)
        return [sink for sink in sinks if isinstance(sink, BigQuerySettings)]

    def named(self, customer_id: str, key_file: Path | None) -> str:
        """Return a customer's id as the record has it: hashed where the configuration or a key's file says so."""
        settings = RecordSettings() if self.settings is None else self.settings.record
        if key_file is not None:
            settings = RecordSettings(customer_id="hashed", key_file=str(key_file))
        key = settings.key()
        if key is None:
            return customer_id
        return f"hmac-sha256:{hmac.new(key, customer_id.encode(), hashlib.sha256).hexdigest()}"


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Make `where` of the options that say where the record is (place, outbox, config), and pass it to a command."""

    @wraps(command)
    def told(place: str | None, outbox: Path | None, config: Path | None, **options: Any) -> Any:
        return command(where=_where(place, outbox, config), **options)

    return told


def configured_sinks(settings: Settings) -> tuple[SinkSettings, ...]:
    """Return what the configuration ships to."""
    return settings.record.shipper_config(settings.logs).ship.sinks


def read_settings(config: Path) -> Settings:
    """Read the server's settings; raises ConfigError."""
    settings = load_settings(config, server={})
    if not settings.record.folder:
        raise ConfigError(
            f"{config}: record.folder is empty.", remedy="Give the configuration of a server that records."
        )
    return settings


def _where(place: str | None, outbox: Path | None, config: Path | None) -> Where:
    settings = None if config is None else read_settings(config)
    if outbox is not None and not outbox.is_dir():
        raise ConfigError(f"There is no folder {outbox}.", remedy="Give the folder that record.folder names.")
    if outbox is None and place is None and settings is not None and Path(settings.record.folder).is_dir():
        outbox = Path(settings.record.folder)  # else it is another pod's
    places = (place_at(place),) if place is not None else () if settings is None else tuple(_configured(settings))
    step = Progress("objects read").step
    watched = tuple(each._replace(objects=Watched(each.objects, step)) for each in places)
    return Where(watched, outbox, settings, whole=place is None)


def _configured(settings: Settings) -> Iterator[Place]:
    """Open the stores of segments that the configuration ships to."""
    for sink in configured_sinks(settings):
        if isinstance(sink, ObjectsSettings):
            yield Place(str(sink.__struct_config__.tag), sink.where, open_objects(sink))
