"""Final decisions of earlier scoring runs, each with the customer's row in the scores of that run."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding import record
from customer_risk.model.offboarding.receipts import SIGNED, Chain
from customer_risk.model.offboarding.scored import codes_in
from customer_risk.model.offboarding.signed import signed_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.offboarding.sign_off import Verdict
    from customer_risk.model.offboarding.signed import Signed

_REMEDY: Final = "Give the folder that `customer-risk score` wrote, with its folder signed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A customer's newest final decision, and the customer's row in the scores of that scoring run.

    `date` is ISO 8601. `verified` is true if a token proved the name; otherwise the name is claimed. `approver` is
    empty and `approver_verified` false if no second approver was required. `run` is the run's id, `made_at` its time.
    `patterns` and `reasons` are codes.
    """

    customer_id: str
    decision: Verdict
    date: str
    name: str
    note: str
    verified: bool
    approver: str
    approver_verified: bool
    run: str
    made_at: datetime
    model_version: str
    probability: float
    segment: str
    reasons: tuple[str, ...]
    patterns: tuple[str, ...]
    transactions: int
    first_transaction: datetime | None
    last_transaction: datetime | None


def read_earlier(folders: Sequence[Path]) -> dict[str, Earlier]:
    """Return the newest final decision on each customer, by customer_id, from the sign-offs of earlier runs.

    Each folder is that of a scoring run or that of its sign-offs. Lines that are open or wait for a second approver
    are left out. The newest decision is the one with the latest date; of two with the same date, the one on the later
    run. Raises SignOffError if a folder has no sign-off, a run or receipt was altered or removed, or the run of a
    receipt isn't among the folders.
    """
    runs, chains = _collected(folders)
    found: dict[str, tuple[tuple[object, ...], Earlier]] = {}
    for chain in chains:
        for run_id in dict.fromkeys(act.run for act in chain.acts):
            if run_id not in runs:
                raise SignOffError(
                    f"A sign-off belongs to the scoring run {run_id[:16]}, whose folder isn't given.", remedy=_REMEDY
                )
            made_in, run = runs[run_id]
            final = [one for one in signed_lines(chain.of_run(run_id), run).values() if one.final]
            for one in _of_run(made_in, run, final):
                rank = (one.date, one.made_at)
                if one.customer_id not in found or rank >= found[one.customer_id][0]:
                    found[one.customer_id] = (rank, one)
    return {customer: one for customer, (_, one) in sorted(found.items())}


def _collected(folders: Sequence[Path]) -> tuple[dict[str, tuple[Path, Run]], list[Chain]]:
    """Return the runs by their id, each with its folder, and the receipts of each folder of sign-offs."""
    runs: dict[str, tuple[Path, Run]] = {}
    chains: dict[Path, Chain] = {}
    for folder in folders:
        is_run = (folder / record.NAME).is_file()
        made_in, kept = (folder, folder / SIGNED) if is_run else (folder.absolute().parent, folder)
        if (made_in / record.NAME).is_file():
            run = record.read_run(made_in)
            runs[run.run] = (made_in, run)
        chain = Chain(kept)
        if chain.acts:
            chains[kept.resolve()] = chain
        elif not is_run:
            raise SignOffError(f"{folder} has no sign-off.", remedy=_REMEDY)
    decided = {act.run for chain in chains.values() for act in chain.acts}
    for run_id, (made_in, _) in runs.items():
        if run_id not in decided:  # the receipts may be in another of the folders
            raise SignOffError(f"{made_in} has no sign-off.", remedy=_REMEDY)
    return runs, list(chains.values())


def _of_run(folder: Path, run: Run, final: Iterable[Signed]) -> list[Earlier]:
    scores = pl.read_parquet(io.BytesIO(record.verified(folder, run, "scores.parquet")))
    rows = {row["customer_id"]: row for row in scores.iter_rows(named=True)}
    made = []
    for one in final:
        decision, row = one.decision, rows.get(one.decision.customer_id)
        if row is None:
            raise SignOffError(
                f"Receipt {one.receipt.number} decides on customer {decision.customer_id}, who isn't among the scores "
                f"of {folder}.",
                remedy=_REMEDY,
            )
        made.append(
            Earlier(
                customer_id=decision.customer_id,
                decision=decision.decision,
                date=decision.date,
                name=decision.name,
                note=decision.note,
                verified=decision.verified,
                approver=one.approval.approved_by if one.approval else "",
                approver_verified=one.approval.verified if one.approval else False,
                run=run.run,
                made_at=run.made_at,
                model_version=row["model_version"],
                probability=row["probability"],
                segment=row["segment"],
                reasons=codes_in(row["reasons"]),
                patterns=codes_in(row["patterns"]),
                transactions=row["transactions"],
                first_transaction=row["first_transaction"],
                last_transaction=row["last_transaction"],
            )
        )
    return made
