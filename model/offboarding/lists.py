"""The off-boarding list and the review list as tables: a line for each customer, with all facts of the HTML pages."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import polars as pl

from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding import record
from customer_risk.model.offboarding.scored import SEPARATOR
from customer_risk.model.offboarding.workbook import SIGN_OFF

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from customer_risk.model.offboarding.dossier import Dossier, Pattern
    from customer_risk.model.offboarding.record import Run

_IDS_IN_A_CELL: Final = 20  # of each pattern: spreadsheets cut cells at 32,767 characters; evidence.csv has all ids
_PROBABILITY_DIGITS: Final = 4
PROFILE: Final = ("country_of_residence", "occupation", "kyc_state")
UNCHANGED: Final = "nothing"

_COLUMNS: Final = pl.Schema(
    [
        ("line", pl.Int64()),
        ("customer_id", pl.String()),
        ("probability", pl.Float64()),
        ("segment", pl.String()),
        ("action", pl.String()),
        ("list", pl.String()),
        ("country_of_residence", pl.String()),
        ("occupation", pl.String()),
        ("kyc_state", pl.String()),
        ("reasons", pl.String()),
        ("patterns", pl.String()),
        ("evidence", pl.String()),
        ("speaks_against", pl.String()),
        ("certainty", pl.String()),
        ("low", pl.Float64()),
        ("high", pl.Float64()),
        ("high_share", pl.Float64()),
        ("transactions", pl.Int64()),
        ("first_transaction", pl.String()),
        ("last_transaction", pl.String()),
        ("earlier_decision", pl.String()),
        ("earlier_date", pl.String()),
        ("earlier_name", pl.String()),
        ("earlier_note", pl.String()),
        ("changed_since", pl.String()),
        ("model_version", pl.String()),
        ("run", pl.String()),
    ]
)


def offboarding_list(dossiers: Sequence[Dossier], *, model_version: str, run: str) -> pl.DataFrame:
    """Return the list that people decide on, with empty sign-off cells."""
    table = _table(dossiers, model_version=model_version, run=run)
    return table.with_columns(pl.lit("", pl.String).alias(name) for name in SIGN_OFF)


def read_list(folder: Path, run: Run) -> pl.DataFrame:
    """Return the off-boarding list of a run.

    Raises SignOffError if the list or the scores were altered, or if the list doesn't have the customers whom the
    scores propose. The run's id depends on the scores, so a list with another customer is detected even if run.json
    has its sha256.
    """
    scores = pl.read_parquet(io.BytesIO(record.verified(folder, run, "scores.parquet")))
    made = pl.read_parquet(io.BytesIO(record.verified(folder, run, "offboarding.parquet")))
    proposed = scores.filter(pl.col("list") == "off-boarding")["customer_id"]
    if sorted(made["customer_id"]) != sorted(proposed):
        raise SignOffError(
            f"The list in {folder} doesn't have the customers whom its scores propose.",
            remedy="Score again, and have the new list decided.",
        )
    return made


def review_list(dossiers: Sequence[Dossier], *, model_version: str, run: str) -> pl.DataFrame:
    """Return the list of customers to review; the column `list` has the reason for the review."""
    return _table(dossiers, model_version=model_version, run=run)


def _table(dossiers: Sequence[Dossier], *, model_version: str, run: str) -> pl.DataFrame:
    rows = [(number, *_cells(dossier), model_version, run) for number, dossier in enumerate(dossiers, start=1)]
    return pl.DataFrame(rows, schema=_COLUMNS, orient="row")


def _cells(dossier: Dossier) -> tuple[object, ...]:
    certainty, earlier = dossier.certainty, dossier.earlier
    return (
        dossier.customer_id,
        round(dossier.probability, _PROBABILITY_DIGITS),
        dossier.segment,
        dossier.action,
        dossier.listing,
        *(dossier.fact(column) for column in PROFILE),
        " | ".join(f"{line.code}: {line.tell()}" for line in dossier.raises),
        SEPARATOR.join(pattern.code for pattern in dossier.patterns),
        " | ".join(_evidence(pattern) for pattern in dossier.patterns),
        " | ".join([*(f"{line.code}: {line.tell()}" for line in dossier.lowers), *dossier.doubts]),
        certainty.tell(),
        _rounded(certainty.low),
        _rounded(certainty.high),
        _rounded(certainty.high_share),
        dossier.transactions,
        f"{dossier.first_transaction:%Y-%m-%dT%H:%M:%SZ}" if dossier.first_transaction else "",
        f"{dossier.last_transaction:%Y-%m-%dT%H:%M:%SZ}" if dossier.last_transaction else "",
        *(("", "", "", "", "") if earlier is None else (*earlier.cells(), " ".join(earlier.changes) or UNCHANGED)),
    )


def _evidence(pattern: Pattern) -> str:
    ids = [transaction.id for transaction in pattern.transactions]
    more = f" and {len(ids) - _IDS_IN_A_CELL} more in evidence.csv" if len(ids) > _IDS_IN_A_CELL else ""
    return f"{pattern.code}: {pattern.sentence} Transactions {', '.join(ids[:_IDS_IN_A_CELL])}{more}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _PROBABILITY_DIGITS)
