"""The reference of the settings, which is made from the code."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from customer_risk.serving.settings import Settings
from customer_risk.serving.settings_guide import descriptions, settings_guide

PAGE = Path(__file__).parents[2] / "docs/reference/settings.md"


def test_the_page_is_current() -> None:
    """The page is current; `python -m customer_risk.serving.settings_guide > docs/reference/settings.md` writes it."""
    assert PAGE.read_text(encoding="utf-8") == settings_guide()


def test_the_page_shows_every_setting_at_its_default() -> None:
    """A file with the page's block starts the same server as no file."""
    (block,) = re.findall(r"```yaml\n(.*?)```", settings_guide(), re.DOTALL)
    assert yaml.safe_load(block) == msgspec.json.decode(msgspec.json.encode(Settings()))


class Described(msgspec.Struct):
    """Some settings.

    host, port   where to listen,
                 in the cluster
    size         of a page

    A sentence about them  with two spaces.
    """

    host: str = ""
    port: int = 0
    size: int = 0


class Misspelt(msgspec.Struct):
    """One setting.

    sise   of a page
    """

    size: int = 0


def test_a_description_is_a_row_of_the_docstring() -> None:
    """A row may have two names and several lines."""
    listening = "where to listen, in the cluster"
    assert descriptions(Described) == {"host": listening, "port": listening, "size": "of a page"}


def test_a_row_for_an_unknown_setting_is_an_error() -> None:
    """A setting that was renamed isn't described by its former name."""
    with pytest.raises(ValueError, match="sise"):
        descriptions(Misspelt)
