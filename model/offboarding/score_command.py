"""What `customer-risk score` does: tables to scores and lists."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from customer_risk.model.offboarding.record import Run
from customer_risk.model.offboarding.scoring import score_tables
from customer_risk.model.tables.mapping import CohortName
from customer_risk.model.terminal import echo


def score(
    *,
    bundle: Path,
    tables: Path,
    out: Path,
    config: Path | None,
    mapping: Path | None,
    cohort: CohortName,
    earlier: tuple[Path, ...],
    force: bool,
) -> None:
    """Score the customers, with progress on standard error, and print the counts and the files written."""
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
            earlier=earlier,
            force=force,
            step=lambda description: progress.update(task, description=description),
            tick=lambda done, everyone: progress.update(task, completed=done, total=everyone),
        )
    _summarise(run, out)


def _summarise(run: Run, out: Path) -> None:
    counts = run.counts
    echo(
        f"{counts['customers']} customers scored ({counts['without_transactions']} without transactions) "
        f"with bundle {run.bundle[:16]}"
    )
    echo(f"  low {counts['low']}, medium {counts['medium']}, high {counts['high']}")
    echo(f"  proposed for off-boarding, to be signed off   {counts['offboarding']:>6}  {out / 'offboarding.html'}")
    echo(f"  to review: high without corroboration         {counts['review_high']:>6}  {out / 'review.html'}")
    echo(f"  to review: medium                             {counts['review_medium']:>6}  {out / 'review.html'}")
    echo(f"  segments' characteristics                             {out / 'segments.html'}")
