"""What `customer-risk check` does."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from customer_risk.model.config import load_config
from customer_risk.model.escaping import escape_line
from customer_risk.model.features.values import with_noun
from customer_risk.model.names import list_with_meant
from customer_risk.model.tables.cells import escape_cells
from customer_risk.model.tables.checking import CheckResult, rules_of
from customer_risk.model.tables.checking import check as check_tables
from customer_risk.model.tables.dialect import propose
from customer_risk.model.tables.examination import Examination
from customer_risk.model.tables.mapping import Mapping, as_mapping
from customer_risk.model.tables.progress import progress_bar
from customer_risk.model.tables.reading import CohortTables
from customer_risk.model.tables.storage import refuse_format, save

_PLAIN_WIDTH = 120  # of a table that goes to a file or a pipe


def check(
    *, tables: Path, mapping_file: Path | None, config_file: Path | None, out: Path | None, show_all: bool
) -> None:
    """Print the rules that fail, and with `show_all` all rules and counts; exit with 1 if too many rows fail."""
    if out is not None:
        refuse_format(out)
    config, mapping = load_config(config_file), as_mapping(mapping_file)
    screen = Console()
    if not screen.is_terminal:
        screen = Console(width=_PLAIN_WIDTH)
    parts: list[pl.DataFrame] = []

    def examined(read: CohortTables, examination: Examination) -> None:
        parts.append(examination.failing)
        if out is not None:  # now, since the failing rows are needed most if the tables are refused afterwards
            rows = pl.concat(parts)
            save(escape_cells(rows) if out.suffix == ".csv" else rows, out)
        _show_rules(screen, rules_of(examination), config.checks.max_failing_share, show_all=show_all)
        _show_differences(screen, read, mapping)

    with progress_bar() as progress:
        task = progress.add_task("starting", total=None)
        found = check_tables(
            tables,
            mapping=mapping,
            config=config,
            step=lambda description: progress.update(task, description=description),
            examined=examined,
        )
    if show_all:
        _show_counts(screen, found.counts)
    _print(screen, _holding(found, show_all=show_all))
    if not found.failing.is_empty() and (proposal := propose(tables, mapping)):
        _print(screen, proposal, style="yellow")
    _show_verdict(screen, found, out)
    sys.exit(0 if found.passed else 1)


def _plain(text: str) -> str:
    """Return text for Rich, with its markup and control characters escaped."""
    return escape(escape_line(text))


def _print(screen: Console, text: str, *, style: str | None = None) -> None:
    screen.print(_plain(text), style=style, highlight=False, soft_wrap=True)


def _show_rules(screen: Console, rules: pl.DataFrame, allowed: float, *, show_all: bool) -> None:
    shown = rules if show_all else rules.filter(pl.col("failing") > 0)
    for part in shown.partition_by("table", maintain_order=True):
        where, rows = part.row(0)[:2]
        _print(screen, f"{where}: {rows:,} rows")
        table = Table("layer", "rule", "should be")
        table.add_column("failing", justify="right")
        table.add_column("share", justify="right")
        for _, _, layer, rule, sentence, failing, share in part.iter_rows():
            style = "red" if (share or 0) > allowed else "yellow" if failing else None
            counts = ("not checked", "") if failing is None else (f"{failing:,}", f"{share:.2%}")
            table.add_row(layer, _plain(rule), sentence, *counts, style=style)
        screen.print(table)


def _show_differences(screen: Console, read: CohortTables, mapping: Mapping) -> None:
    """Print the columns that aren't used, and the currencies that aren't EUR."""
    for table in (read.users, read.transactions):
        if table.extra:
            unmet = [mapping.column(table.kind, name) for name in table.absent]
            _print(screen, f"{table.where}: unused columns: {list_with_meant(table.extra, unmet)}")
    if said := read.conversion.describe():
        _print(screen, f"{read.transactions.where}: {said}")


def _show_counts(screen: Console, counts: pl.DataFrame) -> None:
    for part in counts.partition_by("cohort", maintain_order=True):
        _print(screen, f"{part['cohort'][0]} customers")
        table = Table("name")
        table.add_column("count", justify="right")
        table.add_column("meaning")
        for _, name, count, meaning in part.iter_rows():
            table.add_row(name, f"{count:,}", meaning)
        screen.print(table)


def _holding(found: CheckResult, *, show_all: bool) -> str:
    """Return one line about the rules that hold and those that could not be checked."""
    failing = found.rules["failing"]
    holding, rules, unchecked = (failing == 0).sum(), len(failing), failing.null_count()
    of = f"All {rules}" if holding == rules else f"{holding} of {rules}"
    said = f"{of} rules hold in every row of {found.rules['table'].n_unique()} files."
    if unchecked:
        said += f" {unchecked} can't be checked without the other cohort's users."
    return said if show_all else f"{said} Show all rules and counts with --all."


def _show_verdict(screen: Console, found: CheckResult, out: Path | None) -> None:
    rows = found.failing.height
    verdict = (
        "[green]The tables pass.[/]"
        if found.passed
        else f"[red]The tables don't pass: a rule fails in more than {found.allowed:.2%} of a table's rows.[/]"
    )
    place = f"listed in {_plain(str(out))}." if out is not None else "list them with --out FILE."
    counted = f"{with_noun(rows, 'failing row')}: {place}" if rows else "No failing rows."
    screen.print(f"{verdict} {counted}", highlight=False, soft_wrap=True)
