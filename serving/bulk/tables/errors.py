"""Errors that end a run."""

from __future__ import annotations

from customer_risk.model.errors import CustomerRiskError


class UnusableInput(CustomerRiskError):
    """An input that can't be scored: a column is missing, there are too few rows, or it has changed."""


class ResultsAltered(CustomerRiskError):
    """Results differ from those that were stored: some were removed or added."""

    def __init__(self, where: str, name: str, found: int, stored: int, of: str) -> None:
        super().__init__(
            f"{where} has {found} {of} of {name}, but {stored} were stored.",
            remedy="Remove the results of the run, and repeat it under another name.",
        )
