"""Earlier decisions on customers who are scored again, and what has changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from customer_risk.model.offboarding import record
from customer_risk.model.offboarding.earlier import read_earlier
from customer_risk.model.offboarding.receipts import SIGNED, Chain
from customer_risk.model.offboarding.scored import codes_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from customer_risk.model.offboarding.earlier import Earlier


class DecidedBefore(msgspec.Struct, frozen=True, kw_only=True):
    """The newest final decision on one customer; `changes` has a sentence for each thing that has changed since."""

    decision: str
    date: str
    name: str
    verified: bool
    note: str
    approver: str
    approver_verified: bool
    changes: tuple[str, ...]

    def tell(self) -> str:
        """Return who decided what, and when."""
        approved = f", approved by {_named(self.approver, verified=self.approver_verified)}" if self.approver else ""
        by = _named(self.name, verified=self.verified)
        return f"Decided before: {self.decision}, on {self.date}, by {by}{approved}."

    def cells(self) -> tuple[str, str, str, str]:
        """Return decision, date, name and note for a line of the lists."""
        return self.decision, self.date, self.name, self.note


class EarlierSignOffs(msgspec.Struct, frozen=True, kw_only=True):
    """The earlier decisions by customer_id, and for each folder of sign-offs the sha256 of its newest receipt."""

    decisions: Mapping[str, Earlier] = {}
    receipts: Mapping[str, str] = {}


NO_SIGN_OFFS: Final = EarlierSignOffs()


def read_sign_offs(folders: Sequence[Path]) -> EarlierSignOffs:
    """Read the sign-offs in the folders of earlier scoring runs. Raises SignOffError as `read_earlier` does.

    Each receipt has the sha256 of the receipt before it, so the sha256 of the newest receipt identifies all of them.
    """
    decisions = read_earlier(folders)
    receipts = {}
    for folder in folders:
        kept = folder / SIGNED if (folder / record.NAME).is_file() else folder
        newest = Chain(kept).last_digest
        if newest is not None:  # otherwise the run's sign-offs are in another of the folders
            receipts[str(folder)] = newest
    return EarlierSignOffs(decisions=decisions, receipts=receipts)


def decided_before(earlier: Earlier, row: Mapping[str, Any]) -> DecidedBefore:
    """Return an earlier decision with what has changed since; `row` is the customer's row in the present scores."""
    return DecidedBefore(
        decision=earlier.decision,
        date=earlier.date,
        name=earlier.name,
        verified=earlier.verified,
        note=earlier.note,
        approver=earlier.approver,
        approver_verified=earlier.approver_verified,
        changes=tuple(_changes(earlier, row)),
    )


def _named(name: str, *, verified: bool) -> str:
    return name if verified else f"{name} (name claimed)"


def _changes(then: Earlier, now: Mapping[str, Any]) -> list[str]:
    changes = []
    if then.model_version != now["model_version"]:
        changes.append("The earlier score was made with another bundle.")
    if then.probability != now["probability"]:
        before, after = f"{then.probability:.3f}", f"{now['probability']:.3f}"
        changes.append(
            f"The probability was {before} and is now {after}."
            if before != after
            else f"The probability changed by less than 0.001 and is {after}."
        )
    if then.segment != now["segment"]:
        changes.append(f"The segment was {then.segment.capitalize()} and is now {now['segment'].capitalize()}.")
    changes += _gained_and_lost("patterns", then.patterns, codes_in(now["patterns"]))
    if (then.transactions, then.first_transaction, then.last_transaction) != (
        now["transactions"],
        now["first_transaction"],
        now["last_transaction"],
    ):
        changes.append(f"The number of transactions {_counts(then, now)}{_newest(then, now)}.")
    changes += _gained_and_lost("strongest reasons", then.reasons, codes_in(now["reasons"]))
    return changes


def _gained_and_lost(what: str, then: Sequence[str], now: Sequence[str]) -> list[str]:
    gained = [code for code in now if code not in then]
    lost = [code for code in then if code not in now]
    return [f"New {what}: {', '.join(gained)}."] * bool(gained) + [
        f"No longer among the {what}: {', '.join(lost)}."
    ] * bool(lost)


def _counts(then: Earlier, now: Mapping[str, Any]) -> str:
    if then.transactions == now["transactions"]:
        return f"is {then.transactions:,} as before"
    return f"was {then.transactions:,} and is now {now['transactions']:,}"


def _newest(then: Earlier, now: Mapping[str, Any]) -> str:
    last = now["last_transaction"]
    if last is None or last == then.last_transaction:
        return ""
    return f"; the last one was made at {last:%Y-%m-%d %H:%M} UTC"
