"""The settings of `customer-risk serve`, in sections; a YAML file overrides the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from customer_risk.model.errors import ConfigError
from customer_risk.model.escaping import one_line
from customer_risk.model.files import parse_yaml, read_text
from customer_risk.serving.auth.rate_limits import LimitSettings
from customer_risk.serving.auth.settings import AuthSettings
from customer_risk.serving.bulk.jobs.types import JobSettings
from customer_risk.serving.decisions.fallback.settings import RuleSettings
from customer_risk.serving.http.settings import ServerSettings
from customer_risk.serving.kserve.v2.settings import GrpcSettings
from customer_risk.serving.record.settings import RecordSettings
from customer_risk.serving.store.settings import StoreSettings
from customer_risk.serving.telemetry.logs import LogSettings
from customer_risk.serving.telemetry.tracing import TracingSettings


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of the service.

    model_name            name of the model in KServe's paths and in answers
    idempotency_seconds   how long an answer is kept under its idempotency key
    run_folder            folder of the files that running workers share: switches, metrics, and jobs unless `store`
                          names another place; null: a new temporary folder
    """

    model_name: str = "customer-risk"
    idempotency_seconds: Annotated[float, msgspec.Meta(gt=0)] = 86_400
    run_folder: str | None = None
    server: ServerSettings = ServerSettings()
    grpc: GrpcSettings = GrpcSettings()
    rules: RuleSettings = RuleSettings()
    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    logs: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    store: StoreSettings = StoreSettings()
    jobs: JobSettings = JobSettings()
    record: RecordSettings = RecordSettings()


def load_settings(path: Path | None, *, model_name: str | None = None, server: Mapping[str, Any]) -> Settings:
    """Return the settings of a YAML file, or the defaults; `model_name` and `server` override them.

    Raises ConfigError naming the file and the invalid setting.
    """
    document: Any = {}
    if path is not None:
        try:
            document = parse_yaml(read_text(path)) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(
                f"{path} can't be read: {one_line(error)}.",
                remedy="Name a YAML file; docs/reference/settings.md lists every setting.",
            ) from error
    try:
        settings = msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}.", remedy="docs/reference/settings.md lists every setting.") from error
    settings = msgspec.structs.replace(
        settings,
        model_name=model_name or settings.model_name,
        server=msgspec.structs.replace(settings.server, **server),
    )
    _require_different_ports(settings)
    return settings


def _require_different_ports(settings: Settings) -> None:
    """Raise ConfigError if two ports are the same: several workers would share the port without an error."""
    server = settings.server
    taken: dict[tuple[str, int], str] = {}
    ports = [("server.port", server.host, server.port)]
    if server.metrics == "port":
        ports.append(("server.metrics_port", server.host, server.metrics_port))
    if settings.grpc.enabled:
        ports.append(("grpc.port", settings.grpc.host, settings.grpc.port))
    for name, host, port in ports:
        other = taken.setdefault((host, port), name)
        if port and other != name:
            raise ConfigError(f"{other} and {name} are both {port}.", remedy="Choose another port for one of them.")
