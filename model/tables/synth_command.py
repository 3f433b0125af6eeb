"""The command `customer-risk synth`."""

from __future__ import annotations

from pathlib import Path

from customer_risk.model.tables.progress import progress_bar
from customer_risk.model.tables.storage import FORMATS
from customer_risk.model.tables.synthetic import parse_shift, synthesize
from customer_risk.model.terminal import echo


def synth(
    *,
    folder: Path,
    customers: int,
    unlabelled: int | None,
    risk_rate: float,
    seed: int,
    shift_text: str | None,
    file_format: str,
) -> None:
    """Write synthetic tables into `folder`, and print the number of customers."""
    shift = parse_shift(shift_text) if shift_text else None
    wanted = next(known for known in FORMATS if known == file_format)
    with progress_bar() as progress:
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
    echo(f"{folder} has {customers} labelled customers and {unlabelled or customers} customers to score (seed {seed}).")
