"""`customer-risk train`: from tables to RUN, with the stages shown and the numbers told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from customer_risk.model.evaluation.results import DataSummary, Interval, RunResults
    from customer_risk.model.training.pipeline import Run

TOLD = (
    "average_precision",
    "average_precision_pooled",
    "roc_auc",
    "roc_auc_pooled",
    "brier",
    "calibration_error",
    "f1",
    "precision",
    "recall",
)


@click.command()
@click.argument("tables", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="RUN, a new folder; whole or not at all.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML over model/defaults.yaml: any part of it.",
)
@click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML that says how another bank names files, columns and values.",
)
def train(tables: Path, out: Path, config: Path | None, mapping: Path | None) -> None:
    """Train on the labelled customers of TABLES, judge the procedure, and leave RUN.

    \b
    bundle/          the model, for `customer-risk score` and `customer-risk serve`
    report.html      everything that was found out, for people
    MODEL_CARD.md    the short form
    evaluation.json  the report's numbers, for programs

    Features are examined for leaks first; one that would see the outcome ends the run. How long it takes follows from
    evaluation.repeats and training.trials in the configuration.
    """  # noqa: D301  click wants the character itself, which keeps lines as they are
    from rich.console import Console  # noqa: PLC0415  --help needn't pay for what only training needs

    from customer_risk.model.config import load_config  # noqa: PLC0415
    from customer_risk.model.tables.mapping import load_mapping  # noqa: PLC0415
    from customer_risk.model.training.pipeline import train as run_training  # noqa: PLC0415
    from customer_risk.model.training.progress import Shown  # noqa: PLC0415

    settings = load_config(config)
    with Shown(Console(stderr=True)) as watch:
        run = run_training(
            tables, out, config=settings, mapping=load_mapping(mapping) if mapping else None, watch=watch
        )
    _tell(run)


def _tell(run: Run) -> None:
    found = run.results
    _tell_data(found.data)
    for note in found.notes:
        click.echo(f"note: {note}")
    _tell_metrics(found)
    decisions = found.decisions
    click.echo(
        f"\ncut-offs: Medium from {decisions.medium:.3f}, High from {decisions.high:.3f}. {decisions.rate_source}"
    )
    for row in found.segments.rows:
        click.echo(
            f"  {row.segment:<7}{row.share:>6.1%} of customers, {_span(row.observed_rate, '.1%')} of them suspended"
        )
    seconds = sum(stage.seconds for stage in found.timings)
    click.echo(f"\n{len(found.features)} features kept; {found.tuning.budget}; {seconds:.0f} s in all")
    click.echo(f"bundle  {run.folder / 'bundle'}  (version {run.version[:16]})")
    click.echo(f"report  {run.folder / 'report.html'}")


def _tell_data(data: DataSummary) -> None:
    click.echo(
        f"{data.customers:,} customers, {data.suspended:,} suspended ({data.suspended / data.customers:.1%}); "
        f"{data.transactions:,} transactions in {data.event_rows:,} event rows, "
        f"{data.without_transactions:,} customers without any"
    )
    for trap in data.traps:
        if trap.count:
            click.echo(f"  {trap.count:>9,}  {trap.sentence}")


def _tell_metrics(found: RunResults) -> None:
    from customer_risk.model.evaluation.results import METRICS  # noqa: PLC0415  as above

    click.echo(
        f"\n{found.repeats} times {found.folds}-fold cross-validation by customer, tuned inside; "
        f"{found.confidence:.0%} intervals"
    )
    width = max(len(METRICS[name]) for name in TOLD)
    click.echo(" " * width + "".join(f"  {one.title.split(' (')[0]:>22}" for one in found.contenders))
    for name in TOLD:
        cells = "".join(f"  {_span(one.metrics[name], '.3f'):>22}" for one in found.contenders)
        click.echo(f"{METRICS[name]:<{width}}{cells}")


def _span(value: Interval, form: str) -> str:
    if value.estimate is None:
        return "-"
    if value.low is None or value.high is None:
        return format(value.estimate, form)
    return f"{value.estimate:{form}} [{value.low:{form}}, {value.high:{form}}]"
