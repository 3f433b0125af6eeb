"""Prints the audit commands' output. Recorded text can't forge a line or send a command to the terminal."""

from __future__ import annotations

import re
from typing import Final

import click
import msgspec

# Control characters, line and paragraph separators, marks that change the direction of text, surrogates.
_UNPRINTABLE: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\ud800-\\udfff"
    "\\U000e0000-\\U000e007f]"
)


def escape(text: str) -> str:
    r"""Return text with each unprintable character escaped as in JSON: a newline becomes `\u000a`."""
    return _UNPRINTABLE.sub(_escaped, text)


def echo(line: str = "", *, err: bool = False) -> None:
    """Print one line, escaped."""
    click.echo(escape(line), err=err)


def echo_json(value: object) -> None:
    """Print a value as indented JSON."""
    click.echo(format_json(value))


def format_json(value: object) -> str:
    """Return a value as indented JSON, with unprintable characters escaped."""
    lines = msgspec.json.format(msgspec.json.encode(value), indent=2).decode().split("\n")
    return "\n".join(map(escape, lines))


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2], 'big'):04x}" for at in range(0, len(units), 2))
