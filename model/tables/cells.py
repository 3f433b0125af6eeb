"""Escapes cells of CSV files, so that a spreadsheet runs no cell as a formula; `unescape_cell` restores the text."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

# All characters that NFKC turns into one of = + - @: to a spreadsheet, a full-width equals sign may begin a formula.
_SIGNS: Final = r"=+\-@" + "\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207a\u207c\u208a\u208c\u2212\ufb29"
_BLANKS: Final = r"'\x00-\x20\x7f-\xa0\xad\u{1680}\u{2000}-\u{200f}\u{2028}-\u{202f}\u{205f}-\u{206f}\u{3000}\u{feff}"
# A spreadsheet may remove blanks and invisible characters before a sign. Negative numbers aren't escaped.
_FORMULA: Final = rf"^'*[\t\r\n]|^[{_BLANKS}]*[{_SIGNS}]"
_NUMBER: Final = r"^-[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"

_formula: Final = re.compile(re.sub(r"\\u\{(....)\}", r"\\u\1", _FORMULA))  # Python writes code points as \uXXXX
_number: Final = re.compile(_NUMBER.replace("$", r"\Z"))


def escape_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame for CSV, with an apostrophe before each text that a spreadsheet would run."""
    # Text that begins with apostrophes and a sign gets one more apostrophe, so that removing one restores every text.
    text = pl.col(pl.String)
    is_formula = text.str.contains(_FORMULA) & ~text.str.strip_chars_start("'").str.contains(_NUMBER)
    return frame.with_columns(pl.when(is_formula).then("'" + text).otherwise(text).name.keep())


def unescape_cell(cell: str) -> str:
    """Return a cell without the apostrophe that `escape_cells` put before it."""
    escaped = cell[:1] == "'" and _formula.match(cell) and not _number.match(cell.lstrip("'"))
    return cell[1:] if escaped else cell
