"""The action rule of the tests' bundles."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from customer_risk.model.scoring.action_rule import ActionRule


def default_rule(minimum: int = 1) -> ActionRule:
    """Return a rule with the default thresholds; amounts of EUR 5,000 or more are beyond the usual."""
    from customer_risk.model.config import load_config
    from customer_risk.model.scoring.action_rule import ActionRule

    patterns = {code: dict(limits) for code, limits in load_config().corroboration.rules.items()}
    patterns["LARGE_AMOUNT"]["usual"] = 5_000.0
    return ActionRule(minimum=minimum, patterns=patterns)
