"""What the subcommands of `customer-risk registry` do."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from customer_risk.model.errors import RegistryError
from customer_risk.model.escaping import escape_line
from customer_risk.model.operator import named
from customer_risk.model.registry.aliases import Author, Change
from customer_risk.model.registry.registry import Held, Registry
from customer_risk.model.terminal import echo, echo_json

_SHORT = 16  # digits of a hash in a table


def add(bundle: Path, where: str, endpoint: str, by: str | None, why: str) -> None:
    """Verify a bundle, keep a copy, and print its hash."""
    echo(Registry.at(where, endpoint).add(bundle, _author(by, why)))


def promote(
    reference: str, alias: Literal["champion", "challenger"], where: str, endpoint: str, by: str | None, why: str
) -> None:
    """Point an alias at a bundle, and print the change."""
    change = Registry.at(where, endpoint).promote(reference, alias, _author(by, why))
    if change is None:
        echo(f"{reference} is {alias} already; nothing changed.")
    else:
        _print(change)


def rollback(where: str, endpoint: str, by: str | None, why: str) -> None:
    """Swap champion and previous, and print the change."""
    _print(Registry.at(where, endpoint).roll_back(_author(by, why)))


def list_(where: str, endpoint: str, history: bool, as_json: bool) -> None:
    """Print the bundles with their aliases, or the history."""
    opened = Registry.at(where, endpoint)
    rows: tuple[Held, ...] | tuple[Change, ...] = opened.history() if history else tuple(opened.held())
    if as_json:
        echo_json(rows)
    elif not rows:
        echo(f"{where} has no bundles yet. `customer-risk registry add BUNDLE` adds one.")
    elif history:
        _table(
            ("when", "action", "alias", "bundle", "replaced", "by", "why"),
            [_change_cells(row) for row in opened.history()],
        )
    else:
        _table(("bundle", "aliases", "added", "by", "note"), [_held_cells(row) for row in opened.held()])


def resolve(reference: str, where: str, endpoint: str) -> None:
    """Print the full hash of an alias or of a hash's beginning."""
    echo(Registry.at(where, endpoint).resolve(reference))


def _author(by: str | None, why: str) -> Author:
    name = named(by)
    if not name:
        raise RegistryError("This machine gives no login name for the history.", remedy="Give your name with --by.")
    return Author(by=name, at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), why=why.strip())


def _print(change: Change) -> None:
    was = f", in place of {change.replaced[:_SHORT]}" if change.replaced else ""
    echo(f"{change.alias} is now {change.bundle}{was}.")


def _change_cells(change: Change) -> tuple[str, ...]:
    replaced = (change.replaced or "")[:_SHORT]
    return (change.at, change.action, change.alias or "", change.bundle[:_SHORT], replaced, change.by, change.why)


def _held_cells(held: Held) -> tuple[str, ...]:
    added = held.added
    words = (added.at, added.by, added.why) if added else ("not in the history; add it again", "", "")
    return (held.version[:_SHORT], ", ".join(held.aliases), *words)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print columns of text, each as wide as its widest cell."""
    lines = [tuple(map(escape_line, row)) for row in (head, *rows)]
    widths = [max(len(row[column]) for row in lines) for column in range(len(head))]
    for row in lines:
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
