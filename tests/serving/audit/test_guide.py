"""The guide to the record agrees with the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import msgspec
import pytest
import yaml

from customer_risk.serving.cli.audit import audit
from customer_risk.serving.record.settings import RecordSettings
from customer_risk.serving.record.shipper.settings import ShipSettings

ROOT = Path(__file__).parent.parent.parent.parent
GUIDE = (ROOT / "docs" / "guide" / "record.md").read_text()
STORAGE = (ROOT / "docs" / "data-storage.md").read_text()
SETTINGS = yaml.safe_load(re.search(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)[1])["record"]
COMMANDS = re.findall(r"customer-risk audit ([^`#\n&]+)", GUIDE + STORAGE)


def test_the_guides_settings_are_valid() -> None:
    """The guide's settings are valid."""
    assert msgspec.convert(SETTINGS, RecordSettings).ship.sinks


def test_the_guide_names_every_setting() -> None:
    """The guide names every setting of the record and of the shipper."""
    assert set(SETTINGS) == {field.name for field in msgspec.structs.fields(RecordSettings)}
    assert set(SETTINGS["ship"]) == {field.name for field in msgspec.structs.fields(ShipSettings)}


def test_the_guides_numbers_are_the_defaults() -> None:
    """The values that the guide shows are the defaults."""
    shown = msgspec.convert(SETTINGS, RecordSettings)
    for settings, default, own in (
        (shown, RecordSettings(), {"enabled", "folder", "ship"}),
        (shown.ship, ShipSettings(), {"sinks"}),
    ):
        names = {field.name for field in msgspec.structs.fields(default)} - own
        assert {name: getattr(settings, name) for name in names} == {name: getattr(default, name) for name in names}


@pytest.mark.parametrize("line", COMMANDS)
def test_the_guides_commands_exist(line) -> None:
    """The guide's commands exist, with their options."""
    name, *words = shlex.split(line.strip())
    options = {word for each in audit.commands[name].params for word in each.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_guide_names_every_command() -> None:
    """The guide names every command."""
    assert {line.split()[0] for line in COMMANDS} == set(audit.commands)
    assert all(isinstance(each, click.Command) for each in audit.commands.values())


def test_every_price_is_used_and_dated() -> None:
    """The file of prices has a date, and the script uses every price."""
    prices = yaml.safe_load((ROOT / "docs" / "prices.yaml").read_text())
    script = (ROOT / "benchmarks" / "storage_cost.py").read_text()
    assert set(prices["prices"]) == set(re.findall(r"prices\[['\"](\w+)['\"]\]", script))
    assert str(prices["as_of"]) in STORAGE
    assert all(each.keys() == {"usd", "per", "read", "page"} for each in prices["prices"].values())
