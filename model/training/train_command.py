"""The command `customer-risk train`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from customer_risk.model.evaluation.results import METRICS, DataSummary, Interval, RunResults
from customer_risk.model.report.numbers import counted, times
from customer_risk.model.terminal import echo
from customer_risk.model.training.pipeline import TrainingResult
from customer_risk.model.training.pipeline import train as run_training
from customer_risk.model.training.stages import Shown

PRINTED = (
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


def train(*, tables: Path, out: Path, config: Path | None, mapping: Path | None) -> None:
    """Train, with the stages shown on standard error, and print the numbers."""
    with Shown(Console(stderr=True)) as watch:
        run = run_training(tables, out, config=config, mapping=mapping, watch=watch)
    _print(run)


def _print(run: TrainingResult) -> None:
    found = run.results
    if found.provenance.synthetic:
        echo("SYNTHETIC DATA: all customers in the tables are made up")
    _print_data(found.data)
    for note in found.notes:
        echo(f"note: {note}")
    _print_metrics(found)
    decisions = found.decisions
    echo()
    echo(f"cut-offs: Medium from {decisions.medium:.3f}, High from {decisions.high:.3f}. {decisions.rate_source}")
    for row in found.segments.rows:
        echo(f"  {row.segment:<7}{row.share:>6.1%} of customers, {_span(row.observed_rate, '.1%')} of them suspended")
    seconds = sum(stage.seconds for stage in found.timings)
    echo()
    echo(f"{counted(len(found.features), 'feature')} kept; {found.tuning.budget}; {seconds:.0f} s")
    echo(f"bundle  {run.folder / 'bundle'}  (version {run.version[:16]})")
    echo(f"report  {run.folder / 'report.html'}")


def _print_data(data: DataSummary) -> None:
    echo(
        f"{counted(data.customers)}, {data.suspended:,} suspended ({data.suspended / data.customers:.1%}); "
        f"{counted(data.transactions, 'transaction')} in {counted(data.event_rows, 'event row')}, "
        f"{counted(data.without_transactions)} without a transaction"
    )
    for trap in data.traps:
        if trap.count:
            echo(f"  {trap.count:>9,}  {trap.sentence}")


def _print_metrics(found: RunResults) -> None:
    echo()
    echo(
        f"{found.folds}-fold cross-validation by customer, run {times(found.repeats)}, with tuning inside each fold; "
        f"{found.confidence:.0%} intervals"
    )
    width = max(len(METRICS[name]) for name in PRINTED)
    echo(" " * width + "".join(f"  {one.title.split(' (')[0]:>22}" for one in found.contenders))
    for name in PRINTED:
        cells = "".join(f"  {_span(one.metrics[name], '.3f'):>22}" for one in found.contenders)
        echo(f"{METRICS[name]:<{width}}{cells}")


def _span(value: Interval, form: str) -> str:
    if value.estimate is None:
        return "-"
    if value.low is None or value.high is None:
        return format(value.estimate, form)
    return f"{value.estimate:{form}} [{value.low:{form}}, {value.high:{form}}]"
