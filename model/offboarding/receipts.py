"""Signed-off lists: read-only copies named by their hash, and a chain of receipts that reveals later changes."""

from __future__ import annotations

import contextlib
import fcntl
import os
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from customer_risk.model import atomic
from customer_risk.model.errors import SignOffError
from customer_risk.model.files import parse_json, read_file
from customer_risk.model.offboarding import record
from customer_risk.model.offboarding.people import Person
from customer_risk.model.offboarding.sign_off import Decision

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIGNED: Final = "signed"  # the folder of sign-offs in a run's folder
_RECEIPT: Final = "{:04d}.receipt.json"
_READ_ONLY: Final = 0o444
_TAMPERED: Final = "Put the folder back from a backup, and find out who changed it."


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One accepted sign-off, of a whole list or a part of it.

    `file` is the copy's name, `sha256` the hash of its content (the bytes that were handed in), `decided` the hash of
    the decisions alone. `run`, `bundle`, `scores` and `list` are the hashes of what was decided on. `received_by` is
    the person who handed the list in; if `verified`, a token of `issuer` for `subject` proves that name. `open` is the
    number of lines that have no decision after this receipt. `supersedes` is the number of the run's previous receipt
    if this receipt changes decisions. `follows` is the sha256 of the previous receipt in the folder. Receipts of
    earlier releases lack `kind`, `verified`, `issuer`, `subject` and `open`.
    """

    kind: Literal["sign-off"] = "sign-off"
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
    verified: bool = False
    issuer: str = ""
    subject: str = ""
    counts: dict[str, int]
    signers: dict[str, int]
    open: int = 0
    first_date: str
    last_date: str
    supersedes: int | None
    why: str
    follows: str | None
    decisions: tuple[Decision, ...]

    @property
    def person(self) -> Person:
        """The person who handed the list in."""
        return Person(self.received_by, self.verified, self.issuer, self.subject)


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One approval by a second person, of the decisions on `lines` in receipt `approves`, whose sha256 is `approved`.

    `approved_by`, `verified`, `issuer` and `subject` say who approves, as in Receipt; `approved_on` is the date in
    UTC. `follows` is as in Receipt.
    """

    kind: Literal["approval"] = "approval"
    number: int
    run: str
    approves: int
    approved: str
    lines: tuple[int, ...]
    approved_at: datetime
    approved_on: str
    approved_by: str
    verified: bool
    issuer: str
    subject: str
    note: str
    follows: str | None

    @property
    def person(self) -> Person:
        """The person who approves."""
        return Person(self.approved_by, self.verified, self.issuer, self.subject)


Act = Receipt | Approval


class _Kind(msgspec.Struct, frozen=True):
    kind: Literal["sign-off", "approval"] = "sign-off"


class _Decisions(msgspec.Struct, frozen=True):
    decisions: list[dict[str, object]]  # with the fields of the release that wrote them


class Chain:
    """The receipts of a folder, in order; `digests` are the sha256 of their files."""

    def __init__(self, folder: Path) -> None:
        """Read every receipt. Raises SignOffError if a receipt or a kept list was altered or removed."""
        self._folder = folder
        self.acts: list[Act] = []
        self.digests: list[str] = []
        for path in sorted(
            folder.glob("*.receipt.json"), key=lambda path: (len(path.name), path.name)
        ):  # 10000 after 9999
            self._read(path)

    def of_run(self, run: str) -> list[Act]:
        """Return the receipts of one scoring run's list."""
        return [act for act in self.acts if act.run == run]

    def digest(self, number: int) -> str:
        """Return the sha256 of a receipt."""
        return self.digests[number - 1]

    @property
    def last_digest(self) -> str | None:
        """The sha256 of the last receipt; None if there is no receipt."""
        return self.digests[-1] if self.digests else None

    def append(self, act: Act, content: bytes = b"") -> None:
        """Write a receipt. The copy of a signed list is written first, so that no receipt lacks its copy."""
        if isinstance(act, Receipt) and not (self._folder / act.file).exists():
            atomic.write_file(self._folder / act.file, content, mode=_READ_ONLY)
        text = msgspec.json.format(msgspec.json.encode(act), indent=2) + b"\n"
        atomic.write_file(self._folder / _RECEIPT.format(act.number), text, mode=_READ_ONLY)
        self.acts.append(act)
        self.digests.append(record.sha256(text))

    def _read(self, path: Path) -> None:
        number = len(self.acts) + 1
        try:
            content = read_file(path)
            is_approval = parse_json(content, _Kind).kind == "approval"
            act: Act = parse_json(content, Approval) if is_approval else parse_json(content, Receipt)
        except (OSError, msgspec.DecodeError) as error:
            raise SignOffError(f"{path} can't be read: {error}.", remedy=_TAMPERED) from error
        if act.number != number or path.name != _RECEIPT.format(number) or act.follows != self.last_digest:
            raise SignOffError(
                f"{path} doesn't follow from the receipt before it: one was altered or removed.", remedy=_TAMPERED
            )
        if isinstance(act, Receipt):
            if record.sha256(msgspec.json.encode(parse_json(content, _Decisions).decisions)) != act.decided:
                raise SignOffError(
                    f"{path} was altered: its decisions aren't those that were signed.", remedy=_TAMPERED
                )
            self._check_copy(act)
        elif not (0 < act.approves < number and act.approved == self.digest(act.approves)):
            raise SignOffError(f"{path} approves a receipt that was altered or doesn't precede it.", remedy=_TAMPERED)
        self.acts.append(act)
        self.digests.append(record.sha256(content))

    def _check_copy(self, receipt: Receipt) -> None:
        copy = self._folder / receipt.file
        if not copy.is_file() or record.sha256(copy.read_bytes()) != receipt.sha256:
            raise SignOffError(
                f"{copy}, kept under receipt {receipt.number}, was altered or removed.", remedy=_TAMPERED
            )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[Chain]:
    """Yield a folder's receipts to one process at a time; the system releases the lock when the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise SignOffError(f"{folder} can't be written: {error}.", remedy="Name another folder with --out.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Chain(folder)
    finally:
        os.close(descriptor)
