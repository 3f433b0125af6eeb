"""What `customer-risk offboarding sign` does: it takes the decided list back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding.receipts import sign as accept
from customer_risk.model.offboarding.sign_off import DateOrder
from customer_risk.model.operator import named
from customer_risk.model.terminal import echo


def sign(
    *, file: Path, scores: Path | None, out: Path | None, by: str | None, supersede: bool, why: str, dates: DateOrder
) -> None:
    """Accept the decided list `file`, and print what was decided and where the copy is kept."""
    name = named(by)
    if not name:
        raise SignOffError("Nobody is named as handing this list in.", remedy="Name yourself with --by.")
    made_in = scores or file.resolve().parent
    receipt, new = accept(
        file,
        made_in,
        out or made_in / "signed",
        now=datetime.now(UTC).replace(microsecond=0),
        by=name,
        supersede=supersede,
        why=why,
        date_order=dates,
    )
    decided = ", ".join(f"{verdict} {count}" for verdict, count in receipt.counts.items())
    signers = ", ".join(f"{name} ({count})" for name, count in receipt.signers.items())
    echo(f"{'Signed off' if new else 'Signed off before, nothing changed'}: {decided}; decided by {signers}")
    echo(f"  kept as {(out or made_in / 'signed') / receipt.file}, receipt {receipt.number}")
