"""What `customer-risk offboarding sign`, `approve` and `status` do."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from customer_risk.model.escaping import list_names
from customer_risk.model.features.values import with_noun
from customer_risk.model.offboarding import record
from customer_risk.model.offboarding.faults import ranges
from customer_risk.model.offboarding.identity import identify
from customer_risk.model.offboarding.lists import read_list
from customer_risk.model.offboarding.receipts import SIGNED, Chain
from customer_risk.model.offboarding.sign_off import VERDICTS, DateOrder
from customer_risk.model.offboarding.signed import signed_lines
from customer_risk.model.offboarding.signing import approve as accept_approval
from customer_risk.model.offboarding.signing import sign as accept
from customer_risk.model.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from customer_risk.model.config import SignOff
    from customer_risk.model.offboarding.people import Person
    from customer_risk.model.offboarding.signed import Signed


def sign(
    *,
    file: Path,
    scores: Path | None,
    out: Path | None,
    by: str | None,
    token_file: Path | None,
    partial: bool,
    supersede: bool,
    why: str,
    dates: DateOrder,
) -> None:
    """Accept the decided list `file`; print the decisions, the open lines, and where the copy is kept."""
    made_in = scores or file.resolve().parent
    folder = out or made_in / SIGNED
    receipt, new = accept(
        file,
        made_in,
        folder,
        now=_now(),
        by=_person(made_in, by, token_file),
        partial=partial,
        supersede=supersede,
        why=why,
        date_order=dates,
    )
    signers = ", ".join(f"{name} ({count})" for name, count in receipt.signers.items())
    counts = _counts(receipt.counts)
    echo(f"{'Signed off' if new else 'Signed off before, nothing changed'}: {counts}; decided by {signers}")
    echo(f"  handed in by {receipt.person.tell()}")
    comments = sorted({column for one in receipt.decisions for column in one.comments})
    if comments:
        echo(f"  kept as comments: the columns {list_names(comments)}")
    echo(f"  kept as {folder / receipt.file}, receipt {receipt.number}")
    _tell(made_in, folder)


def approve(
    *, scores: Path, out: Path | None, receipt: int | None, by: str | None, token_file: Path | None, note: str
) -> None:
    """Approve decisions as the second person; print the approved lines and those that need another approver."""
    folder = out or scores / SIGNED
    person = _person(scores, by, token_file)
    approvals, left = accept_approval(scores, folder, now=_now(), by=person, number=receipt, note=note)
    for approval in approvals:
        made = with_noun(len(approval.lines), "decision")
        echo(
            f"Approved by {person.tell()}: {made} of receipt {approval.approves}, "
            f"{_lines(approval.lines)} (receipt {approval.number})"
        )
    if left:
        echo(f"  another approver is needed for {_lines(left)}, which {person.name} decided or handed in")
    _tell(scores, folder)


def status(*, scores: Path, out: Path | None) -> None:
    """Print a run's rules, and how many lines of its list are decided, open, and waiting for an approver."""
    _tell(scores, out or scores / SIGNED)
    echo(f"  rules of this run: {_rules(record.read_run(scores).rules)}")


def _tell(scores: Path, folder: Path) -> None:
    run = record.read_run(scores)
    made = read_list(scores, run)
    signed = signed_lines(Chain(folder).of_run(run.run), run)
    waiting = [line for line, one in signed.items() if not one.final]
    still_open = [line for line in made["line"] if line not in signed]
    echo(f"{len(signed)} of {made.height} lines decided, {len(still_open)} open")
    counts: Mapping[str, int] = Counter(one.decision.decision for one in signed.values())
    if signed:
        echo(f"  decided: {_counts(counts)}; {_proof(signed)}")
    if waiting:
        numbers = sorted({signed[line].receipt.number for line in waiting})
        echo(
            f"  waiting for a second approver: {_lines(waiting)} "
            f"(receipt{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))})"
        )
    if still_open:
        echo(f"  open: {_lines(still_open)}")


def _lines(numbers: Sequence[int]) -> str:
    return f"line{'s' * (len(numbers) != 1)} {ranges(numbers)}"


def _rules(rules: SignOff) -> str:
    said = [
        f"decisions by {list_names(rules.signers) or 'any person'}",
        f"a second approver, {list_names(rules.approvers) or 'any other person'}"
        if rules.second_approver
        else "no second approver",
    ]
    if rules.token is not None:
        said.append(f"tokens of {rules.token.issuer} {'required' if rules.token.required else 'accepted'}")
    return "; ".join(said)


def _proof(signed: Mapping[int, Signed]) -> str:
    verified = sum(one.decision.verified for one in signed.values())
    return f"names: {verified} verified, {len(signed) - verified} claimed"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{verdict} {counts.get(verdict, 0)}" for verdict in VERDICTS)


def _person(scores: Path, by: str | None, token_file: Path | None) -> Person:
    return identify(record.read_run(scores).rules, by=by, token_file=token_file)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
