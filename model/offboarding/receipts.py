"""Signed-off lists, kept so that nobody can change them unnoticed: read-only copies by hash and a chain of receipts."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
import polars as pl

from customer_risk.model import atomic
from customer_risk.model.errors import SignOffError
from customer_risk.model.files import read_file
from customer_risk.model.offboarding import record
from customer_risk.model.offboarding.sign_off import VERDICTS, DateOrder, Decision, check
from customer_risk.model.offboarding.spreadsheet import read_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RECEIPT: Final = "{:04d}.receipt.json"
_READ_ONLY: Final = 0o444
_TAMPERED: Final = "Put the folder back from a backup, and find out who changed it."


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One accepted sign-off.

    `file` is the copy's name, `sha256` that of its content (the bytes that were handed in), `decided` that of
    the decisions alone. `run`, `bundle`, `scores` and `list` say by hash what was decided on. `supersedes` is the
    number of the receipt that this one takes the place of; `follows` the sha256 of the receipt before it in the
    folder.
    """

    number: int
    run: str
    bundle: str
    scores: str
    list: str
    file: str
    sha256: str
    decided: str
    received_at: datetime
    received_by: str
    counts: dict[str, int]
    signers: dict[str, int]
    first_date: str
    last_date: str
    supersedes: int | None
    why: str
    follows: str | None
    decisions: tuple[Decision, ...]


def sign(
    file: Path,
    scores: Path,
    folder: Path,
    *,
    now: datetime,
    by: str,
    supersede: bool = False,
    why: str = "",
    date_order: DateOrder = "iso",
) -> tuple[Receipt, bool]:
    """Accept a filled list made in the run's folder `scores`, keep it in `folder`; return its receipt and if it is new.

    The same decisions once more change nothing. Raises SignOffError where a line is unsigned or altered, the run's
    files were altered, there is nothing to decide, or the list was signed off otherwise before and `supersede`,
    with `why`, doesn't say that this one counts.
    """
    run = record.read_run(scores)
    record.verified(scores, run, "scores.parquet")
    made = pl.read_parquet(io.BytesIO(record.verified(scores, run, "offboarding.parquet")))
    if made.is_empty():
        raise SignOffError(f"The list in {scores} proposes nobody.", remedy="There is nothing to sign off.")
    try:
        content = read_file(file)
    except OSError as error:
        raise SignOffError(f"{file} can't be read: {error}.", remedy="Give the filled list.") from error
    decisions = check(read_sheet(file, content), made, run, where=str(file), now=now, date_order=date_order)
    decided = record.sha256(msgspec.json.encode(decisions))
    with _locked(folder):
        chain = _receipts(folder)
        earlier = [receipt for receipt in chain if receipt.run == run.run]
        last = earlier[-1] if earlier else None
        if last is not None and last.decided == decided:
            return last, False
        _check_succession(last, decisions, file, supersede=supersede, why=why)
        digest = record.sha256(content)
        receipt = Receipt(
            number=len(chain) + 1,
            run=run.run,
            bundle=run.bundle,
            scores=run.scores,
            list=run.files["offboarding.parquet"],
            file=f"{digest}{file.suffix.lower()}",
            sha256=digest,
            decided=decided,
            received_at=now,
            received_by=by,
            counts={verdict: sum(one.decision == verdict for one in decisions) for verdict in VERDICTS},
            signers=dict(sorted(Counter(one.name for one in decisions).items())),
            first_date=min(one.date for one in decisions),
            last_date=max(one.date for one in decisions),
            supersedes=last.number if last else None,
            why=why.strip(),
            follows=record.sha256((folder / _RECEIPT.format(len(chain))).read_bytes()) if chain else None,
            decisions=tuple(decisions),
        )
        if not (folder / receipt.file).exists():
            atomic.write_file(folder / receipt.file, content, mode=_READ_ONLY)
        # The receipt comes last: a copy without one was never accepted.
        text = msgspec.json.format(msgspec.json.encode(receipt), indent=2) + b"\n"
        atomic.write_file(folder / _RECEIPT.format(receipt.number), text, mode=_READ_ONLY)
    return receipt, True


def _check_succession(
    last: Receipt | None, decisions: list[Decision], file: Path, *, supersede: bool, why: str
) -> None:
    if supersede and not why.strip():
        raise SignOffError("A sign-off that takes another's place needs its reason.", remedy="Say it with --why.")
    if supersede and last is None:
        raise SignOffError("This list has no earlier sign-off to supersede.", remedy="Leave out --supersede.")
    if last is not None and not supersede:
        before = {one.line: one for one in last.decisions}
        differing = [f"line {one.line}, customer {one.customer_id}" for one in decisions if before.get(one.line) != one]
        raise SignOffError(
            f"The list was signed off with other decisions on {last.received_at:%Y-%m-%d} (receipt {last.number}); "
            f"{file} differs:",
            details=tuple(differing),
            remedy="If the new decisions are to take the old ones' place, say --supersede with --why.",
        )


def _receipts(folder: Path) -> list[Receipt]:
    """Read every receipt in order; raises SignOffError where one, or a copy, isn't what it was."""
    receipts: list[Receipt] = []
    follows = None
    for path in sorted(folder.glob("*.receipt.json")):
        content = read_file(path)
        try:
            receipt = msgspec.json.decode(content, type=Receipt)
        except msgspec.DecodeError as error:
            raise SignOffError(f"{path} can't be read: {error}.", remedy=_TAMPERED) from error
        number = len(receipts) + 1
        if receipt.number != number or path.name != _RECEIPT.format(number) or receipt.follows != follows:
            raise SignOffError(
                f"{path} doesn't follow from the receipt before it: one was altered or removed.", remedy=_TAMPERED
            )
        copy = folder / receipt.file
        if not copy.is_file() or record.sha256(copy.read_bytes()) != receipt.sha256:
            raise SignOffError(f"{copy}, kept under receipt {number}, was altered or removed.", remedy=_TAMPERED)
        follows = record.sha256(content)
        receipts.append(receipt)
    return receipts


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one sign-off at a time into a folder; the lock dies with its holder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise SignOffError(f"{folder} can't be written: {error}.", remedy="Name another folder with --out.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
