"""The action rule of a scoring run: declared in a configuration or frozen in a bundle, and told in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from customer_risk.model.errors import ConfigError
from customer_risk.model.patterns.definitions import BY_CODE, PATTERNS
from customer_risk.model.patterns.wording import Wording
from customer_risk.model.scoring.action_rule import ActionRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from customer_risk.model.config import Corroboration
    from customer_risk.model.patterns.definitions import Pattern
    from customer_risk.model.scoring.segments import Action, Segment

RuleOrigin = Literal["bundle", "configuration"]
Listing = Literal["off-boarding", "review: high without corroboration", "review: medium", ""]
_LISTS: Final[dict[tuple[Action, Segment], Listing]] = {
    ("propose_off_boarding", "high"): "off-boarding",
    ("review", "high"): "review: high without corroboration",
    ("review", "medium"): "review: medium",
}
# Beyond these, a threshold has no meaning.
_MOST: Final = {"share": 1.0, "margin": 0.5, "quantile": 1.0, "until_hour": 12.0}


@dataclass(frozen=True)
class Criteria:
    """The action rule of a scoring run, and where it is from."""

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
        return "No action: the segment is Low, where patterns change nothing."

    def describe(self) -> str:
        """Return the rule in words, with its version and where it is from."""
        source = {
            "bundle": "frozen in the bundle at training",
            "configuration": "taken from the configuration, since the bundle has none",
        }[self.origin]
        return (
            f"High with at least {_patterns(self.rule.minimum)}: off-boarding is proposed. Any other High, and Medium: "
            f"review. Low: no action. This is version {self.rule.version} of the action rule, {source}."
        )


def listing(action: Action, segment: Segment) -> Listing:
    """Return the list that a customer with this action and segment is on; "" for none."""
    return _LISTS.get((action, segment), "")


def declare(corroboration: Corroboration) -> ActionRule:
    """Return the action rule that a configuration declares, its patterns in the order of PATTERNS.

    LARGE_AMOUNT has no `usual` yet. Raises ConfigError, naming every fault at once, for an unknown pattern, a missing,
    unknown or meaningless threshold, and a minimum that the patterns can't reach or that asks for no pattern at all.
    """
    faults = [f"there is no rule {code}" for code in corroboration.rules if code not in BY_CODE]
    for code, limits in corroboration.rules.items():
        if code in BY_CODE:
            faults += [f"{code}.{fault}" for fault in _faults(BY_CODE[code], limits)]
    if not 1 <= corroboration.minimum <= len(corroboration.rules):
        faults.append(
            f"minimum {corroboration.minimum} must be from 1 to the number of rules, {len(corroboration.rules)}"
        )
    if faults:
        raise ConfigError(
            f"The section corroboration can't be used: {'; '.join(faults)}.",
            remedy=f"The rules are {', '.join(BY_CODE)}; model/defaults.yaml shows each with its thresholds.",
        )
    return ActionRule(
        minimum=corroboration.minimum,
        patterns={
            pattern.code: dict(corroboration.rules[pattern.code])
            for pattern in PATTERNS
            if pattern.code in corroboration.rules
        },
    )


def refuse_other_rule(frozen: ActionRule, corroboration: Corroboration, where: str) -> None:
    """Raise ConfigError, naming each difference, if a configuration declares another rule than the frozen one."""
    declared = declare(corroboration)
    differences = []
    if declared.minimum != frozen.minimum:
        differences.append(f"minimum is {declared.minimum}, in the bundle {frozen.minimum}")
    for code in dict.fromkeys((*declared.patterns, *frozen.patterns)):
        mine, theirs = declared.patterns.get(code), frozen.patterns.get(code)
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
            f"{where} declares another rule in its section corroboration than the bundle, whose rule was frozen at "
            f"training: {'; '.join(differences)}.",
            remedy="Leave the section out, or train a bundle with it.",
        )


def _faults(pattern: Pattern, limits: Mapping[str, float]) -> list[str]:
    faults = [f"{name} is unknown" for name in limits.keys() - pattern.thresholds.keys()]
    faults += [f"{name} is missing" for name in pattern.thresholds if name not in limits]
    for name, value in limits.items():
        if not (math.isfinite(value) and 0 < value <= _MOST.get(name, math.inf)):
            faults.append(f"{name} is {value}, not greater than 0 and at most {_MOST.get(name, 'any finite number')}")
        elif name == "count" and (value != int(value) or value < 2):
            faults.append(f"count is {value}, not a whole number of 2 or more")
    return sorted(faults)


def _patterns(count: int) -> str:
    return f"{count or 'no'} pattern{'' if count == 1 else 's'}"
