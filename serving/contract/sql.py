"""Quotes texts, names and file paths for SQL of DuckDB and BigQuery."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from customer_risk.model.errors import ConfigError

_MARKS: Final = re.compile(r"[*?[]")


def literal(text: str) -> str:
    """Return a text as an SQL literal of DuckDB; GoogleSQL's has escapes, so pass BigQuery a parameter instead."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return the name of a column as a quoted identifier of DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def google_identifier(name: str) -> str:
    """Return the name of a column as a quoted identifier of GoogleSQL."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def pattern_of(path: Path) -> str:
    r"""Return the pattern that matches only this path; DuckDB reads every path as a pattern.

    Raises ConfigError for a path with a backslash and one of `* ? [`: DuckDB would read the backslash as an escape, and
    it can't be escaped itself. `descriptor_path` has no such limit.
    """
    text = str(path)
    if "\\" in text and _MARKS.search(text):
        raise ConfigError(
            f"{text} can't be read: its path has a backslash and one of * ? [.",
            remedy="Rename the folder, or set TMPDIR to another one if it is the folder of temporary files.",
        )
    return _MARKS.sub(r"[\g<0>]", text)


def descriptor_path(descriptor: int) -> str:
    """Return the path of an open file, by which DuckDB can read it, whatever its name is."""
    return f"/dev/fd/{descriptor}"
