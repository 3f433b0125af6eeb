"""The settings of a batch, and the guide on them."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from customer_risk.model.errors import ConfigError
from customer_risk.serving.bulk.tables.outputs.rows import COLUMNS, ResultRow
from customer_risk.serving.bulk.tables.settings import BatchSettings, load_settings

GUIDE = (Path(__file__).parent.parent.parent.parent.parent / "docs/guide/batch.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
ENDS = "input: {type: folder, path: in}\noutput: {type: folder, path: out}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("output: {type: folder, path: out}", "`input`"),
        (ENDS + "parts: 3", "parts"),
        (ENDS + "most_refused: 2", "most_refused"),
        (ENDS + "name: 'Nightly run'", "name"),
        (ENDS + "run: soon", "run"),
        (ENDS.replace("folder", "ftp"), "ftp"),
        (ENDS + "record: {enabled: true}", "record.folder"),
        ("input: [", "can't be read"),
    ],
)
def test_an_invalid_setting_is_named(tmp_path, text, said) -> None:
    """The error names the file or the setting."""
    file = tmp_path / "batch.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_settings(file)


@pytest.mark.parametrize("day", ["2026-11-21", "'2026-11-21'"])
def test_a_day_may_be_a_date_or_a_text(tmp_path, day) -> None:
    """A day may be a YAML date or a text."""
    file = tmp_path / "batch.yaml"
    file.write_text(f"{ENDS}run: {day}")
    assert load_settings(file).run.isoformat() == "2026-11-21"


def test_the_guide_shows_every_setting_at_its_default() -> None:
    """The guide has every setting with its default, except input and output and the server's own settings."""
    shown = yaml.safe_load(next(block for block in BLOCKS if block.startswith("name:")))
    settings = msgspec.to_builtins(msgspec.convert(shown, BatchSettings))
    ends = {name: {**settings[name]} for name in ("input", "output")}
    assert {name: sorted(shown[name]) for name in ends} == {name: sorted(ends[name]) for name in ends}
    defaults = msgspec.to_builtins(msgspec.convert({name: shown[name] for name in ends}, BatchSettings))
    assert shown == {name: value for name, value in defaults.items() if name not in {"record", "logs"}}


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.startswith("batch:")])
def test_the_guides_values_are_valid_settings(tmp_path, block) -> None:
    """The guide's chart values are valid settings."""
    file = tmp_path / "batch.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(block)["batch"]["settings"]))
    assert load_settings(file).name == "nightly"


@pytest.mark.parametrize("column", [column.name for column in COLUMNS])
def test_every_column_of_the_results_is_in_the_guide(column) -> None:
    """The guide names every column of the results."""
    assert f"`{column}`" in GUIDE
    assert column in ResultRow.__struct_fields__


def test_the_results_have_no_other_fields() -> None:
    """Each field of a result has a column."""
    assert [column.name for column in COLUMNS] == list(ResultRow.__struct_fields__)
