"""Compares decisions received with those in the sinks."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from loadtest.records import DECISIONS, main


@pytest.mark.parametrize(
    ("answered", "recorded", "code", "said"),
    [
        ("a b c", "a b c", 0, "| records lost | <= 0 | 0 of 3 | held |"),
        ("a b c", "a c", 1, "| records lost | <= 0 | 1 of 3 | MISSED |"),
        ("a b", "a b b", 1, "| records stored twice | <= 0 | 1 | MISSED |"),
        ("a", "a z", 0, "| records of other decisions |  | 1 |  |"),
        ("", "", 2, "nothing to compare"),
    ],
)
def test_records_are_counted(tmp_path, answered, recorded, code, said):
    """A lost or doubled record ends with 1; other records are only printed; a run without decisions ends with 2."""
    (tmp_path / DECISIONS).write_text(answered.replace(" ", "\n"))
    (tmp_path / "recorded").write_text(recorded.replace(" ", "\n"))
    ran = CliRunner().invoke(main, [str(tmp_path), str(tmp_path / "recorded")])
    assert ran.exit_code == code
    assert said in ran.output
