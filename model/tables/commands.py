"""`customer-risk check` and `customer-risk synth`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from customer_risk.model.config import load_config

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from customer_risk.model.tables.cleaning import Cohort
    from customer_risk.model.tables.examination import Examination

_PLAIN_WIDTH = 140  # of a table that goes to a file or a pipe


@click.command()
@click.argument("tables", type=click.Path(path_type=Path))
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(path_type=Path),
    help="How your bank names files, columns and values (YAML).",
)
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="Settings laid over the defaults (YAML)."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every failing row here (.csv or .parquet): table, row, rule, layer, value, reason.",
)
@click.pass_context
def check(
    context: click.Context, tables: Path, mapping_file: Path | None, config_file: Path | None, out: Path | None
) -> None:
    """Hold the tables in the folder TABLES to their rules and count their traps.

    Checks whichever cohort is there: users_labelled and transactions_labelled, users_unlabelled and
    transactions_unlabelled (.csv or .parquet).

    Exits with 0 where no rule fails in more than the configured share of a table's rows (checks.max_failing_share),
    with 1 where one does, and with 2 where the tables can't be used at all.
    """
    import polars as pl  # noqa: PLC0415  --help needn't pay for it

    from customer_risk.model.tables.cleaning import clean  # noqa: PLC0415  as above
    from customer_risk.model.tables.examination import FAILING_ROWS, examine, refuse_labels  # noqa: PLC0415  as above
    from customer_risk.model.tables.mapping import load_mapping  # noqa: PLC0415  as above
    from customer_risk.model.tables.reading import cohorts_there, read_cohort  # noqa: PLC0415  as above
    from customer_risk.model.tables.storage import refuse_format, save  # noqa: PLC0415  as above

    limits = load_config(config_file).checks
    mapping = load_mapping(mapping_file) if mapping_file else None
    if out is not None:
        refuse_format(out)
    screen = _console()
    failing, too_many = [FAILING_ROWS.to_frame()], False
    for cohort in cohorts_there(tables, mapping):
        with _progress() as progress:
            step = progress.add_task(f"{cohort}: reading", total=3)
            read = read_cohort(tables, cohort, mapping)
            progress.update(step, advance=1, description=f"{cohort}: checking")
            examination = examine(read, limits)
            failing.append(examination.failing)
            progress.update(step, advance=1, description=f"{cohort}: cleaning")
            if out is not None:  # before anything can refuse the tables: the rows are what one needs then
                save(pl.concat(failing), out)
            too_many |= bool(examination.above(limits.max_failing_share))
            _show_rules(screen, examination, limits.max_failing_share)
            for table in (read.users, read.transactions):
                if table.extra:
                    named = ", ".join(table.extra)
                    screen.print(
                        f"{table.where}: columns without a meaning here: {named}", highlight=False, soft_wrap=True
                    )
            refuse_labels(read, examination)
            cleaned = clean(read, examination)
            progress.update(step, advance=1)
        _show_traps(screen, cleaned, f"{cohort} customers")
    rows = sum(part.height for part in failing)
    where = f"; they stand in {out}" if out is not None else "; --out FILE lists them" if rows else ""
    verdict = f"[red]a rule fails in more than {limits.max_failing_share:.2%} of its table's rows[/]"
    screen.print(
        f"{verdict if too_many else '[green]the tables pass[/]'}; {rows} failing rows{where}.", highlight=False
    )
    context.exit(1 if too_many else 0)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--customers", type=click.IntRange(min=2), default=2_000, show_default=True, help="Labelled customers.")
@click.option(
    "--unlabelled", type=click.IntRange(min=1), help="Customers to score; as many as labelled ones by default."
)
@click.option(
    "--risk-rate", type=float, default=0.1, show_default=True, help="Share of suspended customers, 0.005 to 0.2."
)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed makes the same tables.")
@click.option(
    "--shift",
    "shift_text",
    metavar="BEHAVIOUR=FACTOR@DATE",
    help="Multiply a behaviour from a moment on, e.g. amount=2.0@2024-08-15. Behaviours: amount, night_share, "
    "crypto_share, failed_share, declined_share, pass_through, velocity.",
)
@click.option("--format", "file_format", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
def synth(
    folder: Path,
    customers: int,
    unlabelled: int | None,
    risk_rate: float,
    seed: int,
    shift_text: str | None,
    file_format: str,
) -> None:
    """Write synthetic tables into FOLDER: the shape and the traps of real ones, and no row of theirs.

    Risk shows in what customers do, with noise, so a model has something to learn. A million transactions take seconds.
    """
    from customer_risk.model.tables.storage import FORMATS  # noqa: PLC0415  --help needn't pay for Polars
    from customer_risk.model.tables.synthetic import parse_shift, synthesize  # noqa: PLC0415  as above

    shift = parse_shift(shift_text) if shift_text else None
    wanted = next(known for known in FORMATS if known == file_format)
    with _progress() as progress:
        step = progress.add_task("making customers and transactions", total=None)
        synthesize(
            folder,
            customers=customers,
            unlabelled=unlabelled,
            risk_rate=risk_rate,
            seed=seed,
            shift=shift,
            format=wanted,
        )
        progress.update(step, total=1, completed=1)
    click.echo(f"{folder} holds {customers} labelled customers and {unlabelled or customers} to score, seed {seed}.")


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415  serving's install has no rich, and `--help` works there

    console = Console()
    return console if console.is_terminal else Console(width=_PLAIN_WIDTH)


def _progress() -> Progress:
    from rich.console import Console  # noqa: PLC0415  as above
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415  as above

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _show_rules(screen: Console, examination: Examination, allowed: float) -> None:
    from rich.table import Table  # noqa: PLC0415  as above

    by_file: dict[str, Table] = {}
    for outcome in examination.outcomes:
        if outcome.where not in by_file:
            title = f"{outcome.where}: {outcome.rows:,} rows"
            by_file[outcome.where] = Table("layer", "rule", "should be", title=title, title_justify="left")
            by_file[outcome.where].add_column("failing", justify="right")
            by_file[outcome.where].add_column("share", justify="right")
        style = "red" if outcome.share > allowed else "yellow" if outcome.failing else None
        by_file[outcome.where].add_row(
            outcome.rule.layer,
            outcome.rule.name,
            outcome.rule.sentence,
            "not judged" if outcome.failing is None else f"{outcome.failing:,}",
            "" if outcome.failing is None else f"{outcome.share:.2%}",
            style=style,
        )
    for table in by_file.values():
        screen.print(table)


def _show_traps(screen: Console, cohort: Cohort, title: str) -> None:
    from rich.table import Table  # noqa: PLC0415  as above

    from customer_risk.model.tables.traps import TRAPS  # noqa: PLC0415  as above

    table = Table("met", title=title, title_justify="left")
    table.add_column("count", justify="right")
    table.add_column("what it is")
    for key, count in cohort.counts.items():
        table.add_row(key, f"{count:,}", TRAPS[key])
    screen.print(table)
