"""The settings of `customer-risk serve`, one section for each part; a YAML file says what differs from the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from model.errors import ConfigError
from serving.auth.settings import AuthSettings
from serving.limits import LimitSettings
from serving.process.settings import ServerSettings


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of them; `model_name` is the model's name in KServe's paths and in answers."""

    model_name: str = "customer-risk"
    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()


def load_settings(path: Path | None, **server: Any) -> Settings:
    """Read settings from a YAML file, or take the defaults; `server` holds what the command line says instead.

    Raises ConfigError naming the file and the setting that can't be used.
    """
    document: Any = {}
    if path is not None:
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path} can't be read: {error}.", remedy="Give a YAML file of settings.") from error
    try:
        settings = msgspec.convert(document, Settings)
        return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, **server))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}.", remedy="docs/guide/operate.md lists every setting.") from error
