"""Accepts a list with decisions, and the approval of another person."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from customer_risk.model.errors import SignOffError
from customer_risk.model.escaping import list_names
from customer_risk.model.files import read_file
from customer_risk.model.offboarding import record
from customer_risk.model.offboarding.faults import ranges
from customer_risk.model.offboarding.lists import read_list
from customer_risk.model.offboarding.people import is_name
from customer_risk.model.offboarding.receipts import Approval, Receipt, locked
from customer_risk.model.offboarding.sign_off import VERDICTS, DateOrder, Decision, check, latest_day, require_token
from customer_risk.model.offboarding.signed import signed_lines
from customer_risk.model.offboarding.spreadsheet import read_sheet

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from customer_risk.model.offboarding.people import Person
    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.offboarding.signed import Signed

_MOST_NAMED: Final = 20


def sign(
    file: Path,
    scores: Path,
    folder: Path,
    *,
    now: datetime,
    by: Person,
    partial: bool = False,
    supersede: bool = False,
    why: str = "",
    date_order: DateOrder = "iso",
) -> tuple[Receipt, bool]:
    """Accept a filled list of the run in `scores`, keep it in `folder`; return its receipt, and whether it is new.

    With `partial`, lines may be open; later sign-offs add to earlier ones. Handing in the same decisions again changes
    nothing, and returns the newest receipt that has one of their lines. Raises SignOffError if a line is unsigned or
    altered, a person may not decide, the run's files were altered, there is nothing to decide, or a line has another
    earlier decision and `supersede` and `why` aren't given.
    """
    run = record.read_run(scores)
    made = read_list(scores, run)
    if made.is_empty():
        raise SignOffError(f"The list in {scores} proposes no customer.", remedy="There is nothing to sign off.")
    try:
        content = read_file(file)
    except OSError as error:
        raise SignOffError(f"{file} can't be read: {error}.", remedy="Give the path of the filled list.") from error
    decisions = check(
        read_sheet(file, content), made, run, where=str(file), now=now, by=by, partial=partial, date_order=date_order
    )
    with locked(folder) as chain:
        acts = chain.of_run(run.run)
        receipts = [act for act in acts if isinstance(act, Receipt)]
        before = signed_lines(acts, run)
        if _all_known(decisions, before):
            return _newest_of(decisions, receipts), False
        _check_reason(supersede=supersede, why=why, first=not receipts)
        changed = [one for one in decisions if one.line in before and not before[one.line].decision.same(one)]
        if changed and not supersede:
            _refuse_change(changed, before, receipts[-1], file)
        digest = record.sha256(content)
        receipt = Receipt(
            number=len(chain.acts) + 1,
            run=run.run,
            bundle=run.bundle,
            scores=run.scores,
            list=run.files["offboarding.parquet"],
            file=f"{digest}{file.suffix.lower()}",
            sha256=digest,
            decided=record.sha256(msgspec.json.encode(decisions)),
            received_at=now,
            received_by=by.name,
            verified=by.verified,
            issuer=by.issuer,
            subject=by.subject,
            counts={verdict: sum(one.decision == verdict for one in decisions) for verdict in VERDICTS},
            signers=dict(sorted(Counter(one.name for one in decisions).items())),
            open=made.height - len(before.keys() | {one.line for one in decisions}),
            first_date=min(one.date for one in decisions),
            last_date=max(one.date for one in decisions),
            supersedes=receipts[-1].number if changed else None,
            why=why.strip(),
            follows=chain.last_digest,
            decisions=tuple(decisions),
        )
        chain.append(receipt, content)
    return receipt, True


def approve(
    scores: Path, folder: Path, *, now: datetime, by: Person, number: int | None = None, note: str = ""
) -> tuple[list[Approval], list[int]]:
    """Approve the waiting decisions, or those of receipt `number`; return the new receipts and the remaining lines.

    The remaining lines are those that `by` decided on or handed in: another person must approve them. Raises
    SignOffError if the run needs no second approver, `by` may not approve, no decision waits, every waiting line
    remains, or `now` is before a decision.
    """
    run = record.read_run(scores)
    read_list(scores, run)
    _check_approver(by, run)
    with locked(folder) as chain:
        waiting = {line: one for line, one in signed_lines(chain.of_run(run.run), run).items() if not one.final}
        if number is not None:
            waiting = {line: one for line, one in waiting.items() if one.receipt.number == number}
        if not waiting:
            where = f"receipt {number}" if number is not None else str(folder)
            raise SignOffError(
                f"No decision of {where} waits for an approver.",
                remedy="`customer-risk offboarding status` shows which decisions wait.",
            )
        free = {line: one for line, one in waiting.items() if not one.is_by(by)}
        if not free:
            raise SignOffError(
                f"{by.name} decided on or handed in lines {ranges(waiting)}.",
                remedy="Have another person approve them.",
            )
        _check_approval_date(free, now)
        made = []
        for approves in sorted({one.receipt.number for one in free.values()}):
            approval = Approval(
                number=len(chain.acts) + 1,
                run=run.run,
                approves=approves,
                approved=chain.digest(approves),
                lines=tuple(line for line, one in free.items() if one.receipt.number == approves),
                approved_at=now,
                approved_on=now.date().isoformat(),
                approved_by=by.name,
                verified=by.verified,
                issuer=by.issuer,
                subject=by.subject,
                note=note.strip(),
                follows=chain.last_digest,
            )
            chain.append(approval)
            made.append(approval)
    return made, [line for line in waiting if line not in free]


def _check_approver(by: Person, run: Run) -> None:
    if not run.rules.second_approver:
        raise SignOffError(
            f"The scoring run {run.run[:16]} needs no second approver.",
            remedy="Its sign-offs are final. To require approvals, score with sign_off.second_approver: true.",
        )
    require_token(by, run.rules)
    if not is_name(by.name):
        raise SignOffError(f"{by.name!r} isn't a person's name.", remedy="Give your name with --by.")
    if not by.is_on(run.rules.approvers):
        raise SignOffError(
            f"{by.tell()} isn't among the approvers of this run (sign_off.approvers).",
            remedy=f"Have one of these people approve: {list_names(run.rules.approvers)}.",
        )


def _check_approval_date(lines: dict[int, Signed], now: datetime) -> None:
    early = [
        line
        for line, one in lines.items()
        if now < one.receipt.received_at or one.decision.date > latest_day(now).isoformat()
    ]
    if early:
        raise SignOffError(
            f"The decisions on lines {ranges(early)} are later than this machine's time, {now:%Y-%m-%d %H:%M} UTC.",
            remedy="Correct this machine's clock, then approve again.",
        )


def _all_known(decisions: list[Decision], before: dict[int, Signed]) -> bool:
    return all(
        one.line in before and before[one.line].decision.covers(one) and before[one.line].comments == one.comments
        for one in decisions
    )


def _newest_of(decisions: list[Decision], receipts: list[Receipt]) -> Receipt:
    """Return the newest receipt that has a decision on one of these lines."""
    lines = {one.line for one in decisions}
    return next(receipt for receipt in reversed(receipts) if any(one.line in lines for one in receipt.decisions))


def _check_reason(*, supersede: bool, why: str, first: bool) -> None:
    if supersede and not why.strip():
        raise SignOffError("--supersede needs a reason.", remedy="Give the reason with --why.")
    if supersede and first:
        raise SignOffError("This list has no earlier sign-off to supersede.", remedy="Leave out --supersede.")


def _refuse_change(changed: list[Decision], before: dict[int, Signed], last: Receipt, file: Path) -> None:
    named = [
        f"line {one.line}, customer {one.customer_id} (receipt {before[one.line].receipt.number})"
        for one in changed[:_MOST_NAMED]
    ]
    more = [f"and {len(changed) - _MOST_NAMED:,} more"] if len(changed) > _MOST_NAMED else []
    raise SignOffError(
        f"The list was signed off with other decisions on {last.received_at:%Y-%m-%d} (receipt {last.number}); "
        f"{file} differs:",
        details=(*named, *more),
        remedy="To replace the earlier decisions, give --supersede and --why.",
    )
