"""Text in CSV files that a spreadsheet opens: no cell runs, and every text reads back as it was."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

# What NFKC makes of a character is what a spreadsheet may read: a full-width equals sign begins a formula too.
_SIGNS: Final = r"=+\-@" + "\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207a\u207c\u208a\u208c\u2212\ufb29"
_BLANKS: Final = r"'\x00-\x20\x7f-\xa0\xad\u{1680}\u{2000}-\u{200f}\u{2028}-\u{202f}\u{205f}-\u{206f}\u{3000}\u{feff}"
# A spreadsheet may take away blanks and invisible characters before a sign. A negative number stays a number.
_RUNS: Final = rf"^'*[\t\r\n]|^[{_BLANKS}]*[{_SIGNS}]"
_NUMBER: Final = r"^-[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"

_runs: Final = re.compile(re.sub(r"\\u\{(....)\}", r"\\u\1", _RUNS))
_number: Final = re.compile(_NUMBER.replace("$", r"\Z"))


def escape_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame for CSV, with an apostrophe before each text that a spreadsheet would run."""
    # A text's own apostrophes before such a beginning get one more, so that taking one away gives back every text.
    text = pl.col(pl.String)
    runs = text.str.contains(_RUNS) & ~text.str.strip_chars_start("'").str.contains(_NUMBER)
    return frame.with_columns(pl.when(runs).then("'" + text).otherwise(text).name.keep())


def unescape_cell(cell: str) -> str:
    """Return a cell without the apostrophe that `escape_cells` put before it."""
    guarded = cell[:1] == "'" and _runs.match(cell) and not _number.match(cell.lstrip("'"))
    return cell[1:] if guarded else cell
