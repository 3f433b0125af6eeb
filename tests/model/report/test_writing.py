"""The report's files."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.report.card import card
from customer_risk.model.report.writing import CARD, REPORT, write_report


def test_both_files_are_written(bare, tmp_path):
    """The folder holds the page and the card, whole, and nothing else."""
    write_report(tmp_path / "run", bare)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {REPORT, CARD}
    assert (tmp_path / "run" / REPORT).read_text(encoding="utf-8").endswith("</html>\n")
    assert (tmp_path / "run" / CARD).read_text(encoding="utf-8") == card(bare)


def test_a_failure_leaves_the_folder_as_it_was(bare, tmp_path):
    """Results that can't be rendered leave neither file, and no part of one."""
    with pytest.raises(IndexError):
        write_report(tmp_path, msgspec.structs.replace(bare, contenders=()))
    assert list(tmp_path.iterdir()) == []
