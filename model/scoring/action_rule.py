"""The rule that turns a segment and the patterns found into an action, online, in lists and in replays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from customer_risk.model.patterns.definitions import BY_CODE

if TYPE_CHECKING:
    from customer_risk.model.scoring.segments import Action, Segment

BY_SEGMENT: Final = 1  # the version that applies to bundles without a rule: every High customer is proposed
WITH_PATTERNS: Final = 2  # High and at least `minimum` patterns: propose; High otherwise: review


class ActionRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rule as a bundle's manifest freezes it.

    version   WITH_PATTERNS
    minimum   number of patterns that a High customer must show before off-boarding is proposed
    patterns  thresholds by name, by the pattern's code, in the order of model.patterns.definitions.PATTERNS;
              LARGE_AMOUNT also has `usual`: the quantile of the customers' largest amounts, in EUR, taken at training
    """

    version: int = WITH_PATTERNS
    minimum: int
    patterns: dict[str, dict[str, float]]

    def __post_init__(self) -> None:
        """Put the patterns in the order of their definitions: a manifest is written with sorted keys."""
        ordered = {code: self.patterns[code] for code in (*BY_CODE, *self.patterns) if code in self.patterns}
        msgspec.structs.force_setattr(self, "patterns", ordered)

    def action(self, segment: Segment, patterns: int | None) -> Action:
        """Return the action for a segment and the number of patterns found; None if no patterns can be seen."""
        if segment == "high":
            return "propose_off_boarding" if patterns is not None and patterns >= self.minimum else "review"
        return "review" if segment == "medium" else "none"
