"""Cells that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import unicodedata

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from customer_risk.model.tables.cells import escape_cells, unescape_cell

_SIGNS = [chr(code) for code in range(0x10000) if unicodedata.normalize("NFKC", chr(code)) in {"=", "+", "-", "@"}]


def written(text: str) -> str:
    """Return the cell of a CSV file to which a text is written."""
    content = escape_cells(pl.DataFrame({"a": [text], "b": ["end"]})).write_csv()
    return list(csv.reader(io.StringIO(content, newline="")))[1][0]


@pytest.mark.parametrize("sign", _SIGNS)
@pytest.mark.parametrize("before", ["", " ", "\u3000", "\xa0", "\u200b", "\ufeff", "\x0b ", "'", "' '"])
def test_an_apostrophe_is_put_before_a_sign(sign, before) -> None:
    """A text that begins with a formula's sign, in any width, also after blanks, is written after an apostrophe."""
    text = f"{before}{sign}1+1"
    assert written(text) == f"'{text}"
    assert unescape_cell(written(text)) == text


@pytest.mark.parametrize("text", ["\t=1", "\tx", "\rx", "\nx"])
def test_an_apostrophe_is_put_before_a_tab_or_line_end(text) -> None:
    """A text that begins with a tab or a line end is written after an apostrophe."""
    assert written(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-12.5", "-5", "-1e-07", "12", "a=b", "'quoted'", "", "2024-01-01"])
def test_numbers_and_plain_text_are_kept(text) -> None:
    """Negative numbers, and text that no spreadsheet runs as a formula, are written unchanged."""
    assert written(text) == text


def test_columns_of_numbers_are_unchanged() -> None:
    """Columns that aren't text are unchanged."""
    frame = pl.DataFrame({"a": [-12.5, 3.0], "b": [-1, None]})
    assert escape_cells(frame).equals(frame)


_ALPHABETS = st.one_of(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20),
    st.text(alphabet="'=+-@\uff1d\u3000 \t\r\n\x1c\u200b5.e", max_size=6),
)


@settings(deadline=None)
@example("'=")
@example("'-5")
@example("'-5\n")
@given(_ALPHABETS)
def test_every_text_is_the_same_after_writing_and_reading(text) -> None:
    """Any text is the same after it was written to a file and read back."""
    assert unescape_cell(written(text)) == text
