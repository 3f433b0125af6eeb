"""Escapes untrusted text for each kind of output: lines of logs and terminals, and HTML."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Control characters, line and paragraph separators, marks that change the direction of text, surrogates.
_UNPRINTABLE: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb"
    "\\ud800-\\udfff\\U000e0000-\\U000e007f]"
)
MOST_SAID: Final = 300  # characters of another library's message, which may have names from a file
MOST_CHARACTERS: Final = 60  # of a text from a file in a message
_MOST_NAMES: Final = 20
_SPACE: Final = re.compile(r"([\t\n\r]+)")  # HTML shows these as spaces, except within `pre`


def escape_line(text: str) -> str:
    r"""Return text for one line of a log or terminal: unprintable characters as JSON escapes, a newline as `\u000a`."""
    return _UNPRINTABLE.sub(_escaped, text)


def escape_html(text: str) -> str:
    """Return text for an element or a quoted attribute of HTML."""
    return html.escape(escape_text(text))


def escape_text(text: str) -> str:
    """Return text for a template that escapes HTML: unprintable characters but tabs and line ends as JSON escapes."""
    return "".join(part if at % 2 else escape_line(part) for at, part in enumerate(_SPACE.split(text)))


def escape_value(value: object) -> object:
    """Return the value that a template prints: text escaped by `escape_text`, markup and other values unchanged."""
    return escape_text(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def one_line(error: Exception) -> str:
    """Return an error's text on one line, with spaces for its line ends; YAML's errors have several lines."""
    return " ".join(str(error).split())


def shortened(text: object, most: int = MOST_CHARACTERS) -> str:
    """Return text from a file for a message: on one line, cut to `most` characters and `...`."""
    whole = str(text)
    line = " ".join(whole[: 4 * most].split())
    return line if len(whole) <= 4 * most and len(line) <= most else f"{line[:most]}..."


def list_names(names: Iterable[object], most: int = _MOST_NAMES, *, show: Callable[[object], str] = shortened) -> str:
    """Return at most `most` names from a file for a message, each as `show` returns it, and how many more there are."""
    every = list(names)
    shown = ", ".join(map(show, every[:most]))
    return f"{shown} and {len(every) - most:,} more" if len(every) > most else shown


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2], 'big'):04x}" for at in range(0, len(units), 2))
