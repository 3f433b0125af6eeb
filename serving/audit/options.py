"""The options of the audit commands: the places of the record, and who reads it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Final

from customer_risk.model.errors import ConfigError, CustomerRiskError
from customer_risk.model.escaping import escape_line
from customer_risk.model.operator import named
from customer_risk.serving.audit.access_log import AccessLog
from customer_risk.serving.audit.factory import open_table
from customer_risk.serving.audit.progress import Progress, Watched
from customer_risk.serving.audit.records import BIGQUERY, Place, Records, Source, place_at, table_at
from customer_risk.serving.record.settings import RecordSettings
from customer_risk.serving.record.sinks.factory import open_objects
from customer_risk.serving.record.sinks.settings import BigQuerySettings, ObjectsSettings, SinkSettings
from customer_risk.serving.settings import Settings, load_settings

_REMEDY: Final = (
    "Give --from FOLDER, gs://BUCKET/PREFIX or bigquery://PROJECT.DATASET, --outbox FOLDER, or --config FILE."
)


@dataclass(frozen=True)
class RecordLocation:
    """The places of the record, by the options or else by the configuration, and who reads it.

    places           stores of segments; records are read from the first
    outbox           folder of records, shipped or not; None: it isn't read
    settings         the server's settings; None without --config
    all_sinks        whether all sinks of the configuration are meant
    table            the table that --from names
    operator         who runs the command; empty if unknown
    command          name of the command
    access_log_path  file of the access log; None: standard error
    """

    places: tuple[Place, ...]
    outbox: Path | None
    settings: Settings | None
    all_sinks: bool = True
    table: BigQuerySettings | None = None
    operator: str = ""
    command: str = ""
    access_log_path: Path | None = None

    def records(self) -> Records:
        """Return the records of the outbox and the first source; raises ConfigError if there is neither."""
        if not self.sources() and self.outbox is None:
            raise ConfigError("The place of the record is unknown.", remedy=_REMEDY)
        return Records(self.sources()[:1], self.outbox)

    def sources(self) -> tuple[Source, ...]:
        """Return the stores and tables that records can be read from, without the outbox."""
        return (*self.places, *(open_table(each) for each in self.tables()))

    def outbox_alone(self) -> Records:
        """Return the records of the outbox, shipped or not."""
        return Records((), self.outbox)

    def tables(self) -> list[BigQuerySettings]:
        """Return the tables in BigQuery that the configuration ships to, or that --from names."""
        if self.table is not None:
            return [self.table]
        sinks = () if self.settings is None or not self.all_sinks else configured_sinks(self.settings)
        return [sink for sink in sinks if isinstance(sink, BigQuerySettings)]

    def recorded_ids(self, customer_id: str, key_files: Sequence[Path]) -> tuple[str, ...]:
        """Return all ids that the record may have for a customer.

        First the hashes with each key of the configuration or of `key_files`, the newest first. Then the plain id:
        records from before ids were hashed have it.
        """
        settings = RecordSettings() if self.settings is None else self.settings.record
        if key_files:
            newest, *older = map(str, key_files)
            settings = RecordSettings(customer_id="hashed", key_file=newest, older_key_files=tuple(older))
        keys = settings.keys()
        return (*(hash_customer(key, customer_id) for key in keys), customer_id)

    @cached_property
    def access_log(self) -> AccessLog:
        """The access log; raises ConfigError if the operator has no name."""
        places = [each.where for each in self.sources()] + ([] if self.outbox is None else [str(self.outbox)])
        return AccessLog(self.access_log_path, self.operator, self.command, places)


def hash_customer(key: bytes, customer_id: str) -> str:
    """Return the hash of a customer's id by `key`, as records have it."""
    return f"hmac-sha256:{hmac.new(key, customer_id.encode(), hashlib.sha256).hexdigest()}"


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Pass a command the RecordLocation of its options as `where`; escape errors, which may quote recorded text."""

    @wraps(command)
    def wrapper(
        place: str | None,
        outbox: Path | None,
        config: Path | None,
        by: str | None = None,
        access_log: Path | None = None,
        **options: Any,
    ) -> Any:
        try:
            for name, value in {"place": place, "by": by, **options}.items():
                if isinstance(value, str):
                    _check_text(name, value)
            where = replace(_where(place, outbox, config), operator=named(by), command=command.__name__.strip("_"))
            if access_log is None and where.settings is not None and where.settings.record.access_log:
                access_log = Path(where.settings.record.access_log)
            return command(where=replace(where, access_log_path=access_log), **options)
        except CustomerRiskError as error:
            error.problem, error.remedy = escape_line(error.problem), escape_line(error.remedy)
            error.args = (f"{error.problem} {error.remedy}",)
            raise

    return wrapper


def _check_text(name: str, value: str) -> None:
    """Raise ConfigError if an argument isn't valid UTF-8, since no record can contain it."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{name}: {value} is not valid UTF-8 text.",
            remedy="Give the value as the record has it, and check the terminal's encoding.",
        ) from error


def configured_sinks(settings: Settings) -> tuple[SinkSettings, ...]:
    """Return the sinks of the configuration."""
    return settings.record.shipper_config(settings.logs).ship.sinks


def read_settings(config: Path) -> Settings:
    """Read the server's settings; raises ConfigError."""
    settings = load_settings(config, server={})
    if not settings.record.folder:
        raise ConfigError(
            f"{config}: record.folder is empty.", remedy="Give the configuration of a server that records."
        )
    return settings


def _where(place: str | None, outbox: Path | None, config: Path | None) -> RecordLocation:
    settings = None if config is None else read_settings(config)
    if outbox is not None and not outbox.is_dir():
        raise ConfigError(f"There is no folder {outbox}.", remedy="Give the folder that record.folder names.")
    if place is not None and place.startswith(BIGQUERY):
        return RecordLocation((), outbox, settings, all_sinks=False, table=table_at(place))
    if outbox is None and place is None and settings is not None and Path(settings.record.folder).is_dir():
        outbox = Path(settings.record.folder)  # if the folder is missing, it is another pod's
    places = (place_at(place),) if place is not None else () if settings is None else tuple(_configured(settings))
    step = Progress("objects read").step
    watched = tuple(each._replace(objects=Watched(each.objects, step)) for each in places)
    return RecordLocation(watched, outbox, settings, all_sinks=place is None)


def _configured(settings: Settings) -> Iterator[Place]:
    """Yield the configuration's stores of segments."""
    for sink in configured_sinks(settings):
        if isinstance(sink, ObjectsSettings):
            yield Place(str(sink.__struct_config__.tag), sink.where, open_objects(sink))
