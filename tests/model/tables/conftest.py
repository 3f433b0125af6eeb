"""Two small cohorts, whose rows a test can change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROFILE = {
    "session_id": "s",
    "country_of_residence": "FR",
    "has_biometrics": "TRUE",
    "phone_number_country_code": "+33",
    "reason_to_use_app": "TRAVEL_ACCOUNT",
    "occupation": "STUDENTS",
    "kyc_state": "COMPLETED",
    "gender": "F",
    "document_issuing_country": "FR",
    "locale": "fr_FR",
    "screening_state": "COMPLETED",
    "is_adverse_media_minor": "FALSE",
    "is_pep": "FALSE",
}
EVENT = {
    "reference_transaction_id": "r",
    "state": "COMPLETED",
    "type": "CARDS",
    "amount": "12.5",
    "currency": "EUR",
    "direction": "OUT",
    "completed_at": "2024-08-26 11:00:00 UTC",
    "created_at": "2024-08-26 10:33:50.629801 UTC",
}


@dataclass
class Bank:
    """Four tables as lists of rows; `write` writes them as files."""

    folder: Path
    users_labelled: list[dict[str, Any]] = field(default_factory=list)
    transactions_labelled: list[dict[str, Any]] = field(default_factory=list)
    users_unlabelled: list[dict[str, Any]] = field(default_factory=list)
    transactions_unlabelled: list[dict[str, Any]] = field(default_factory=list)

    def user(self, customer: str, label: str | None = None, **changes: Any) -> dict[str, Any]:
        """Return a profile row; with a label if it is given, then also with a date of birth."""
        row = {"user_id": customer} | PROFILE
        if label is not None:
            row |= {"date_of_birth": "1990-01-01", "user_current_state": label}
        return row | changes

    def event(self, customer: str, transaction: str, **changes: Any) -> dict[str, Any]:
        """Return an event row."""
        return {"id": transaction, "user_id": customer} | EVENT | changes

    def write(self) -> Path:
        """Write every table that has rows as CSV, and return the folder."""
        for name in ("users_labelled", "transactions_labelled", "users_unlabelled", "transactions_unlabelled"):
            rows = getattr(self, name)
            if rows:
                columns = list(dict.fromkeys(key for row in rows for key in row))
                frame = pl.DataFrame([[row.get(key) for key in columns] for row in rows], schema=columns, orient="row")
                frame.write_csv(self.folder / f"{name}.csv")
        return self.folder


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    """Four labelled customers, one of them suspended, and two to score; one event each, and one in both files."""
    bank = Bank(tmp_path)
    bank.users_labelled = [bank.user(name, "SUSPENDED" if name == "a" else "ACTIVE") for name in "abcd"]
    bank.transactions_labelled = [bank.event(name, f"t-{name}") for name in "abcd"]
    bank.users_unlabelled = [bank.user(name) for name in "yz"]
    bank.transactions_unlabelled = [bank.event(name, f"t-{name}") for name in "yza"]
    return bank


@pytest.fixture
def lenient(tmp_path: Path) -> Any:
    """A configuration that allows any share of failing rows and any label rate."""
    from customer_risk.model.config import load_config

    file = tmp_path / "lenient.yaml"
    file.write_text("checks: {max_failing_share: 1.0, label_rate: [0.0, 1.0]}")
    return load_config(file)


@pytest.fixture
def load(bank: Bank, lenient: Any) -> Callable[..., Any]:
    """A function that writes the bank's tables and loads a cohort with the lenient configuration."""
    from customer_risk.model.tables.cleaning import load_cohort

    def load(cohort: str = "labelled", **options: Any) -> Any:
        return load_cohort(bank.write(), cohort, **({"config": lenient} | options))

    return load
