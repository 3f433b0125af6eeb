"""The action rule of a scoring run: declared in a configuration or frozen in a bundle, and described in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from customer_risk.model.errors import ConfigError
from customer_risk.model.patterns.definitions import BY_CODE
from customer_risk.model.patterns.wording import Wording

if TYPE_CHECKING:
    from customer_risk.model.config import Corroboration
    from customer_risk.model.scoring.action_rule import ActionRule
    from customer_risk.model.scoring.segments import Action, Segment

RuleOrigin = Literal["bundle", "configuration"]
Listing = Literal["off-boarding", "review: high without corroboration", "review: medium", ""]
_LISTS: Final[dict[tuple[Action, Segment], Listing]] = {
    ("propose_off_boarding", "high"): "off-boarding",
    ("review", "high"): "review: high without corroboration",
    ("review", "medium"): "review: medium",
}


@dataclass(frozen=True)
class Criteria:
    """The action rule of a scoring run, and whether the bundle or the configuration has it."""

    rule: ActionRule
    origin: RuleOrigin

    @cached_property
    def declared(self) -> tuple[Wording, ...]:
        """The rule's patterns with their thresholds, in the rule's order."""
        return tuple(Wording(code, limits) for code, limits in self.rule.patterns.items())

    def by_code(self) -> dict[str, Wording]:
        """Map each pattern's code to its words."""
        return {one.code: one for one in self.declared}

    def because(self, segment: Segment, patterns: int) -> str:
        """Return in words which action follows from the segment and the number of patterns found, and why."""
        least = self.rule.minimum
        found = f"{_patterns(patterns)} {'was' if patterns == 1 else 'were'} found"
        if segment == "high" and self.rule.action(segment, patterns) == "propose_off_boarding":
            return f"Off-boarding is proposed: the segment is High, and {found} ({least} or more are needed)."
        if segment == "high":
            return f"To review: the segment is High, but {found} ({least} or more are needed for a proposal)."
        if segment == "medium":
            return "To review: the segment is Medium. Off-boarding is only proposed in the segment High."
        return "No action: the segment is Low, and patterns don't change the action of this segment."

    def describe(self) -> str:
        """Return the rule in words, with its version and its origin."""
        source = {
            "bundle": "frozen in the bundle at training",
            "configuration": "taken from the configuration, since the bundle has no action rule",
        }[self.origin]
        return (
            f"High with at least {_patterns(self.rule.minimum)}: off-boarding is proposed. Any other High, and Medium: "
            f"review. Low: no action. This is version {self.rule.version} of the action rule, {source}."
        )


def listing(action: Action, segment: Segment) -> Listing:
    """Return the list that a customer with this action and segment is on; "" if the customer is on no list."""
    return _LISTS.get((action, segment), "")


def refuse_other_rule(frozen: ActionRule, corroboration: Corroboration, where: str) -> None:
    """Raise ConfigError, naming each difference, if a configuration's rule differs from the frozen one.

    The section must have passed `freezing.check_corroboration`.
    """
    differences = []
    if corroboration.minimum != frozen.minimum:
        differences.append(f"minimum is {corroboration.minimum}, in the bundle {frozen.minimum}")
    for code in dict.fromkeys((*corroboration.rules, *frozen.patterns)):
        mine, theirs = corroboration.rules.get(code), frozen.patterns.get(code)
        if mine is None or theirs is None:
            differences.append(f"{code} is only in {'the bundle' if mine is None else where}")
            continue
        differences += [
            f"{code}.{name} is {mine[name]:g}, in the bundle {theirs[name]:g}"
            for name in BY_CODE[code].thresholds
            if mine[name] != theirs[name]
        ]
    if differences:
        raise ConfigError(
            f"The section corroboration of {where} differs from the action rule that was frozen in the bundle at "
            f"training: {'; '.join(differences)}.",
            remedy="Leave the section out, or train a new bundle with it.",
        )


def _patterns(count: int) -> str:
    return f"{count or 'no'} pattern{'' if count == 1 else 's'}"
