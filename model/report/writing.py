"""Writes the report and the model card of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from customer_risk.model.atomic import write_file
from customer_risk.model.report.card import card
from customer_risk.model.report.pages import page

if TYPE_CHECKING:
    from pathlib import Path

    from customer_risk.model.evaluation.results import RunResults

REPORT = "report.html"
CARD = "MODEL_CARD.md"


def write_report(folder: Path, results: RunResults) -> None:
    """Write report.html and MODEL_CARD.md into `folder`, after both are rendered."""
    texts = {REPORT: page(results), CARD: card(results)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_file(folder / name, text.encode())
