"""What `customer-risk score` does: score the tables, and print the counts and the files written."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from customer_risk.model.offboarding.scoring import ScoringResult
from customer_risk.model.offboarding.scoring import score as score_tables
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
        scored = score_tables(
            bundle,
            tables,
            out,
            cohort=cohort,
            config=config,
            mapping=mapping,
            earlier=earlier,
            force=force,
            step=lambda description: progress.update(task, description=description),
            tick=lambda done, everyone: progress.update(task, completed=done, total=everyone),
        )
    _summarise(scored, out)


def _summarise(scored: ScoringResult, out: Path) -> None:
    counts = {} if scored.run is None else scored.run.counts
    echo(
        f"{counts['customers']} customers scored ({counts['without_transactions']} without transactions) "
        f"with bundle {scored.bundle.version[:16]}"
    )
    echo(f"  low {counts['low']}, medium {counts['medium']}, high {counts['high']}")
    echo(f"  proposed for off-boarding, to be signed off   {counts['offboarding']:>6}  {out / 'offboarding.html'}")
    echo(f"  to review: high without corroboration         {counts['review_high']:>6}  {out / 'review.html'}")
    echo(f"  to review: medium                             {counts['review_medium']:>6}  {out / 'review.html'}")
    echo(f"  segments' characteristics                             {out / 'segments.html'}")
