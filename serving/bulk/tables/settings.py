"""The settings of `customer-risk batch`; a YAML file overrides the defaults."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta

from customer_risk.model.errors import ConfigError
from customer_risk.model.escaping import one_line
from customer_risk.model.files import parse_yaml, read_text
from customer_risk.serving.bulk.tables.inputs.settings import InputSettings
from customer_risk.serving.bulk.tables.outputs.settings import OutputSettings
from customer_risk.serving.decisions.fallback.settings import RuleSettings
from customer_risk.serving.record.settings import RecordSettings
from customer_risk.serving.telemetry.logs import LogSettings

_Share = Annotated[float, Meta(ge=0, le=1)]


class BatchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of a batch.

    name               name of the runs; name and day identify a run, whose results are stored once
    run                the run's day; null: the day that the CronJob was scheduled for, else today, in UTC
    input              the customers
    output             the results
    explain            results have values, contributions and texts for investigators; false for results for customers
    part_rows          rows of a part; results are stored by part, and a killed run continues at the next part
    most_refused       the run ends with exit code 3 if a greater share of the rows was refused
    least_rows         an input with fewer rows is an error: an earlier step may have failed
    patience_seconds   how long input, output or record may be unavailable before the run ends
    model_name         the model's name in results and in the record
    rules              rules that answer if the model can't
    record             of each decision
    logs               progress and the summary
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9](-?[a-z0-9]+)*$", max_length=63)] = "batch"
    run: dt.date | None = None
    input: InputSettings
    output: OutputSettings
    explain: bool = True
    part_rows: Annotated[int, Meta(gt=0, le=1_000_000)] = 20_000
    most_refused: _Share = 0.1
    least_rows: Annotated[int, Meta(ge=0)] = 1
    patience_seconds: Annotated[float, Meta(ge=0)] = 600
    model_name: str = "customer-risk"
    rules: RuleSettings = RuleSettings()
    record: RecordSettings = RecordSettings()
    logs: LogSettings = LogSettings()


def load_settings(path: Path) -> BatchSettings:
    """Return the settings of a YAML file; raises ConfigError naming the file and the setting that can't be used."""
    try:
        document: Any = parse_yaml(read_text(path)) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{path} can't be read: {one_line(error)}.",
            remedy="Name a YAML file; docs/guide/batch.md lists every setting.",
        ) from error
    try:
        settings = msgspec.convert(document, BatchSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}.", remedy="docs/guide/batch.md lists every setting.") from error
    settings.record.check()
    if settings.record.enabled:
        settings.record.key()
    return settings
