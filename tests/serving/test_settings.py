"""The settings of the server, read from a file and the command line."""

from __future__ import annotations

import re

import msgspec
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.settings import Settings, load_settings


def test_defaults_apply_without_a_file() -> None:
    """Every setting has a default."""
    assert load_settings(None, server={}) == Settings()


def test_the_command_line_overrides_the_file(tmp_path) -> None:
    """Sections may be left out, and fields of them."""
    file = tmp_path / "serving.yaml"
    file.write_text("model_name: risk-2\nserver: {port: 9000, workers: 2}\nlimits: {requests_per_second: 5}\n")
    settings = load_settings(file, server={"port": 0})
    assert (settings.model_name, settings.server.port, settings.server.workers) == ("risk-2", 0, 2)
    assert settings.limits.requests_per_second == 5
    assert load_settings(file, model_name="risk-3", server={}).model_name == "risk-3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("serve: {}", "serve"),
        ("server: {port: -1}", "server.port"),
        ("server: [", "can't be read"),
        ("auth: {enabled: true}", "auth.issuer"),
        ("- 1", "object"),
    ],
)
def test_an_invalid_setting_is_named(tmp_path, text, said) -> None:
    """The message has the file's path and the setting's."""
    file = tmp_path / "serving.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_settings(file, server={})


def _numbers(settings: msgspec.Struct, place: str = "") -> list[str]:
    """Return the places of all settings that are seconds, milliseconds or other floating-point numbers."""
    found: list[str] = []
    for field in msgspec.structs.fields(type(settings)):
        value, name = getattr(settings, field.name), f"{place}{field.name}"
        if isinstance(value, msgspec.Struct):
            found += _numbers(value, f"{name}.")
        elif isinstance(value, float) or field.name.endswith(("_seconds", "_ms")):
            found.append(name)
    return found


@pytest.mark.parametrize("value", ["-1", ".nan"])
@pytest.mark.parametrize("name", _numbers(Settings()))
def test_a_negative_number_and_nan_are_refused(tmp_path, name, value) -> None:
    """No time, rate or share of the settings may be negative or NaN; the error names the setting."""
    text = f"{name.rpartition('.')[2]}: {value}"
    for section in reversed(name.split(".")[:-1]):
        text = f"{section}: {{{text}}}"
    file = tmp_path / "serving.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(name)):
        load_settings(file, server={})


def test_a_missing_file_is_named(tmp_path) -> None:
    """A missing file is named by its path."""
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_settings(tmp_path / "nowhere.yaml", server={})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("server: {port: 9000, metrics: port, metrics_port: 9000}", "server.port and server.metrics_port"),
        ("{server: {port: 9000}, grpc: {enabled: true, port: 9000}}", "server.port and grpc.port"),
        (
            "{server: {metrics: port, metrics_port: 9000}, grpc: {enabled: true, port: 9000}}",
            "server.metrics_port and grpc.port",
        ),
    ],
)
def test_ports_of_one_server_differ(tmp_path, text, names) -> None:
    """Two settings with the same port are refused by their names; port 0 may occur several times."""
    file = tmp_path / "serve.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=f"{names} are both 9000"):
        load_settings(file, server={})
    file.write_text(text.replace("9000", "0"))
    load_settings(file, server={})
