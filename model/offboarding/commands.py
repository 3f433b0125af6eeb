"""`customer-risk score` and `customer-risk offboarding`: tables to lists, and the decided list back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from customer_risk.model.errors import SignOffError
from customer_risk.model.operator import named

if TYPE_CHECKING:
    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.offboarding.sign_off import DateOrder
    from customer_risk.model.tables.mapping import CohortName


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("tables", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder to write; it appears whole or not at all."
)
@click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML over model/defaults.yaml."
)
@click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML that says how another bank names files, columns and values.",
)
@click.option(
    "--cohort",
    type=click.Choice(["unlabelled", "labelled"]),
    default="unlabelled",
    show_default=True,
    help="Which customers of TABLES to score.",
)
@click.option(
    "--force", is_flag=True, help="Replace an earlier scoring run in the folder, unless its list was signed off."
)
def score(
    bundle: Path,
    tables: Path,
    out: Path,
    config: Path | None,
    mapping: Path | None,
    cohort: CohortName,
    force: bool,
) -> None:
    """Score every customer of TABLES with BUNDLE; write scores, segments, and who is proposed for what.

    \b
    scores.csv, .parquet             a row for each customer, those without transactions too
    segments.csv, .html              what Low, Medium and High look like
    offboarding.csv, .parquet, .html proposed for off-boarding: High and a corroborating pattern; to be signed off
    review.csv, .parquet, .html      to look at: High without such a pattern, and Medium
    evidence.csv, .parquet           the transactions behind each pattern
    run.json                         what all of this was made of, by hash
    """  # noqa: D301  click wants the character itself, which keeps lines as they are
    from rich.console import Console  # noqa: PLC0415  --help needn't pay for what only scoring needs
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    from customer_risk.model.offboarding.scoring import score_tables  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=None)
        run = score_tables(
            bundle,
            tables,
            out,
            made_at=datetime.now(UTC).replace(microsecond=0),
            cohort=cohort,
            config=config,
            mapping=mapping,
            force=force,
            step=lambda description: progress.update(task, description=description),
            tick=lambda done, everyone: progress.update(task, completed=done, total=everyone),
        )
    _summarise(run, out)


def _summarise(run: Run, out: Path) -> None:
    counts = run.counts
    click.echo(
        f"{counts['customers']} customers scored ({counts['without_transactions']} without transactions) "
        f"with bundle {run.bundle[:16]}"
    )
    click.echo(f"  low {counts['low']}, medium {counts['medium']}, high {counts['high']}")
    click.echo(
        f"  proposed for off-boarding, to be signed off   {counts['offboarding']:>6}  {out / 'offboarding.html'}"
    )
    click.echo(f"  to review: high without corroboration         {counts['review_high']:>6}  {out / 'review.html'}")
    click.echo(f"  to review: medium                             {counts['review_medium']:>6}  {out / 'review.html'}")
    click.echo(f"  segments' characteristics                             {out / 'segments.html'}")


@click.group()
def offboarding() -> None:
    """Take the decided off-boarding list back. The service proposes; named people decide."""


@offboarding.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--scores",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that `score` wrote; FILE's own by default.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to keep it; the folder `signed` in --scores by default.",
)
@click.option("--by", help="Who hands the list in; your login name by default.")
@click.option("--supersede", is_flag=True, help="Take the place of an earlier sign-off of the same list; needs --why.")
@click.option("--why", default="", help="Why an earlier sign-off no longer counts.")
@click.option(
    "--dates",
    type=click.Choice(["iso", "day-first", "month-first"]),
    default="iso",
    show_default=True,
    help="How a date like 05/01/2026 is meant, where a spreadsheet has rewritten the dates.",
)
def sign(
    file: Path, scores: Path | None, out: Path | None, by: str | None, supersede: bool, why: str, dates: DateOrder
) -> None:
    """Accept the decided list FILE (offboarding.csv or .parquet, filled in) and keep an unchangeable copy.

    Each line needs a decision (off-board, keep or review-again), the name of the person who made it, a date and a
    note; all other cells must be as they were made. Otherwise every line at fault is named and nothing is kept.
    Off-boarding itself stays the bank's own step.
    """
    from customer_risk.model.offboarding.receipts import sign as accept  # noqa: PLC0415  --help needn't pay for Polars

    name = named(by)
    if not name:
        raise SignOffError("Nobody is named as handing this list in.", remedy="Name yourself with --by.")
    made_in = scores or file.resolve().parent
    receipt, new = accept(
        file,
        made_in,
        out or made_in / "signed",
        now=datetime.now(UTC).replace(microsecond=0),
        by=name,
        supersede=supersede,
        why=why,
        date_order=dates,
    )
    decided = ", ".join(f"{verdict} {count}" for verdict, count in receipt.counts.items())
    signers = ", ".join(f"{name} ({count})" for name, count in receipt.signers.items())
    click.echo(f"{'Signed off' if new else 'Signed off before, nothing changed'}: {decided}; decided by {signers}")
    click.echo(f"  kept as {(out or made_in / 'signed') / receipt.file}, receipt {receipt.number}")
