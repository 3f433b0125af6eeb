"""The message about a settings file, in every command that reads one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from customer_risk.model.cli.main import customer_risk
from customer_risk.model.errors import ConfigError

ROOT = Path(__file__).parents[3]
DEFAULTS, SETTINGS, BATCH, MAPPING = (
    "model/defaults.yaml",
    "docs/reference/settings.md",
    "docs/guide/batch.md",
    "docs/reference/tables.md",
)
COMMANDS = {
    "check": ("check {tables} --config {file}", DEFAULTS),
    "train": ("train {tables} --out {out} --config {file}", DEFAULTS),
    "score": ("score {bundle} {tables} --out {out} --config {file}", DEFAULTS),
    "explain": ("explain {bundle} {tables} somebody --config {file}", DEFAULTS),
    "check --mapping": ("check {tables} --mapping {file}", MAPPING),
    "train --mapping": ("train {tables} --out {out} --mapping {file}", MAPPING),
    "score --mapping": ("score {bundle} {tables} --out {out} --mapping {file}", MAPPING),
    "explain --mapping": ("explain {bundle} {tables} somebody --mapping {file}", MAPPING),
    "serve": ("serve {bundle} --config {file}", SETTINGS),
    "ship": ("ship --config {file}", SETTINGS),
    "audit init": ("audit init --config {file}", SETTINGS),
    "batch": ("batch --bundle {bundle} --config {file}", BATCH),
}


@pytest.mark.parametrize("content", ["colour: blue", "a: {", "- a list"], ids=["unknown field", "not YAML", "a list"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_bad_file_names_the_page_with_its_fields(synthetic, tmp_path, name, content) -> None:
    """Each command refuses an unusable file with the file's name and the page that lists every field."""
    words, page = COMMANDS[name]
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    places = {"tables": synthetic, "bundle": tmp_path, "out": tmp_path / "out", "file": file}
    error = CliRunner().invoke(customer_risk, [word.format(**places) for word in words.split()]).exception
    assert isinstance(error, ConfigError)
    assert str(file) in error.problem
    assert re.findall(r"[\w/]+\.(?:md|yaml)", error.remedy) == [page]
    assert (ROOT / page).is_file()
