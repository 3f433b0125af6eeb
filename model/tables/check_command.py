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
from customer_risk.model.names import list_with_meant
from customer_risk.model.tables.cells import escape_cells
from customer_risk.model.tables.cleaning import Cohort, clean
from customer_risk.model.tables.dialect import advising, propose
from customer_risk.model.tables.examination import FAILING_ROWS, Examination, examine, refuse_labels
from customer_risk.model.tables.mapping import Mapping, load_mapping
from customer_risk.model.tables.progress import progress_bar
from customer_risk.model.tables.reading import cohorts_there, read_cohort
from customer_risk.model.tables.storage import refuse_format, save
from customer_risk.model.tables.traps import TRAPS

_PLAIN_WIDTH = 140  # of a table that goes to a file or a pipe


def check(*, tables: Path, mapping_file: Path | None, config_file: Path | None, out: Path | None) -> None:
    """Show each rule's failures and the traps met; exit with 1 where a rule fails in too many rows."""
    limits = load_config(config_file).checks
    mapping = load_mapping(mapping_file) if mapping_file else None
    if out is not None:
        refuse_format(out)
    screen = _console()
    failing, too_many = [FAILING_ROWS.to_frame()], False
    for cohort in cohorts_there(tables, mapping):
        with progress_bar() as progress:
            step = progress.add_task(f"{cohort}: reading", total=3)
            read = read_cohort(tables, cohort, mapping)
            progress.update(step, advance=1, description=f"{cohort}: checking")
            examination = examine(read, limits)
            failing.append(examination.failing)
            progress.update(step, advance=1, description=f"{cohort}: cleaning")
            if out is not None:  # before anything can refuse the tables: the rows are what one needs then
                save(escape_cells(pl.concat(failing)) if out.suffix == ".csv" else pl.concat(failing), out)
            too_many |= bool(examination.above(limits.max_failing_share))
            _show_rules(screen, examination, limits.max_failing_share)
            for table in (read.users, read.transactions):
                if table.extra:
                    unmet = [(mapping or Mapping()).column(table.kind, name) for name in table.absent]
                    extra = list_with_meant(table.extra, unmet)
                    screen.print(
                        f"{_plain(table.where)}: columns without a meaning here: {_plain(extra)}",
                        highlight=False,
                        soft_wrap=True,
                    )
            if said := read.conversion.describe():
                screen.print(_plain(f"{read.transactions.where}: {said}"), highlight=False, soft_wrap=True)
            with advising(tables, mapping):
                refuse_labels(read, examination)
                cleaned = clean(read, examination)
            progress.update(step, advance=1)
        _show_traps(screen, cleaned, f"{cohort} customers")
    rows = sum(part.height for part in failing)
    if rows and (proposal := propose(tables, mapping or Mapping())):
        screen.print(_plain(proposal), style="yellow", highlight=False, soft_wrap=True)
    where = f"; they are in {_plain(str(out))}" if out is not None else "; --out FILE lists them" if rows else ""
    verdict = f"[red]a rule fails in more than {limits.max_failing_share:.2%} of its table's rows[/]"
    screen.print(
        f"{verdict if too_many else '[green]the tables pass[/]'}; {rows} failing rows{where}.", highlight=False
    )
    sys.exit(1 if too_many else 0)


def _plain(text: str) -> str:
    """Return text for Rich, with its markup and control characters escaped."""
    return escape(escape_line(text))


def _console() -> Console:

    console = Console()
    return console if console.is_terminal else Console(width=_PLAIN_WIDTH)


def _show_rules(screen: Console, examination: Examination, allowed: float) -> None:

    by_file: dict[str, Table] = {}
    for outcome in examination.outcomes:
        if outcome.where not in by_file:
            title = f"{_plain(outcome.where)}: {outcome.rows:,} rows"
            by_file[outcome.where] = Table("layer", "rule", "should be", title=title, title_justify="left")
            by_file[outcome.where].add_column("failing", justify="right")
            by_file[outcome.where].add_column("share", justify="right")
        style = "red" if outcome.share > allowed else "yellow" if outcome.failing else None
        by_file[outcome.where].add_row(
            outcome.rule.layer,
            _plain(outcome.rule.name),
            outcome.rule.sentence,
            "not judged" if outcome.failing is None else f"{outcome.failing:,}",
            "" if outcome.failing is None else f"{outcome.share:.2%}",
            style=style,
        )
    for table in by_file.values():
        screen.print(table)


def _show_traps(screen: Console, cohort: Cohort, title: str) -> None:

    table = Table("met", title=title, title_justify="left")
    table.add_column("count", justify="right")
    table.add_column("what it is")
    for key, count in cohort.counts.items():
        table.add_row(key, f"{count:,}", TRAPS[key])
    screen.print(table)
