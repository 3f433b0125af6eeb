"""Prints the output of commands. Untrusted text can't forge a line or send a command to the terminal."""

from __future__ import annotations

import click
import msgspec

from customer_risk.model.errors import CustomerRiskError
from customer_risk.model.escaping import escape_line


def echo(line: str = "", *, err: bool = False) -> None:
    """Print one line, escaped."""
    click.echo(escape_line(line), err=err)


def echo_lines(text: str, *, err: bool = False) -> None:
    """Print text of several lines, each escaped. Untrusted parts of the text must have no line ends."""
    for line in text.split("\n"):
        echo(line, err=err)


def echo_error(error: CustomerRiskError, *, err: bool = True) -> None:
    """Print an error: its problem, its details on a line each, and what to do next."""
    click.secho("error: ", fg="red", bold=True, nl=False, err=err)
    if error.details:
        echo(error.problem, err=err)
        for detail in error.details:
            echo(f"  {detail}", err=err)
        echo(error.remedy, err=err)
    else:
        echo(str(error), err=err)


def echo_json(value: object) -> None:
    """Print a value as indented JSON."""
    click.echo(format_json(value))


def format_json(value: object) -> str:
    """Return a value as indented JSON, with unprintable characters escaped."""
    lines = msgspec.json.format(msgspec.json.encode(value), indent=2).decode().split("\n")
    return "\n".join(map(escape_line, lines))
