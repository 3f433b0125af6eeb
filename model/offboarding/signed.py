"""The state of each line according to a run's receipts: its decision, its approval, and whether it is final."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from customer_risk.model.offboarding.people import Person
from customer_risk.model.offboarding.receipts import Approval, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from customer_risk.model.offboarding.receipts import Act
    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.offboarding.sign_off import Decision


@dataclass(frozen=True, slots=True)
class Signed:
    """The last decision on a line, the first receipt with this decision, its approval, and whether it is final.

    The comments are from the newest receipt.
    """

    decision: Decision
    receipt: Receipt
    approval: Approval | None
    final: bool

    @property
    def comments(self) -> dict[str, str]:
        """The texts of the columns that were added to the list."""
        return self.decision.comments

    def is_by(self, person: Person) -> bool:
        """Whether a person decided on the line or handed the list in, and so can't be the second approver."""
        handed = self.receipt.person
        same = (
            person.verified and handed.verified and (person.issuer, person.subject) == (handed.issuer, handed.subject)
        )
        return same or person.is_named(self.decision.name) or person.is_named(handed.name)


def signed_lines(acts: Iterable[Act], run: Run) -> dict[int, Signed]:
    """Return each decided line of a run's list by its number, from the run's receipts in their order.

    Without a second approver a decision is final at once. A changed decision needs its own approval, and so does the
    same decision with a name that is now verified.
    """
    found: dict[int, Signed] = {}
    for act in acts:
        if isinstance(act, Receipt):
            for one in act.decisions:
                before = found.get(one.line)
                if before is not None and before.decision.covers(one):
                    found[one.line] = Signed(
                        msgspec.structs.replace(before.decision, comments=one.comments),
                        before.receipt,
                        before.approval,
                        before.final,
                    )
                else:
                    found[one.line] = Signed(one, act, None, not run.rules.second_approver)
        else:
            for line in act.lines:
                before = found.get(line)
                if before is not None and before.receipt.number == act.approves:
                    found[line] = Signed(before.decision, before.receipt, act, final=True)
    return dict(sorted(found.items()))
