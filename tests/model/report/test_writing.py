"""The report's files."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.report.card import card
from customer_risk.model.report.writing import CARD, REPORT, write_report


def test_both_files_are_written(bare, tmp_path):
    """The folder has exactly the complete page and card."""
    write_report(tmp_path / "run", bare)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {REPORT, CARD}
    assert (tmp_path / "run" / REPORT).read_text(encoding="utf-8").endswith("</html>\n")
    assert (tmp_path / "run" / CARD).read_text(encoding="utf-8") == card(bare)


def test_a_failure_writes_no_file(bare, tmp_path):
    """Results that can't be rendered leave no file."""
    with pytest.raises(IndexError):
        write_report(tmp_path, msgspec.structs.replace(bare, contenders=()))
    assert list(tmp_path.iterdir()) == []
