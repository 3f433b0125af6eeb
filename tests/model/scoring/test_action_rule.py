"""The action rule."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.model.patterns.definitions import PATTERNS
from customer_risk.model.scoring.action_rule import ActionRule


@pytest.mark.parametrize(
    ("segment", "patterns", "minimum", "action"),
    [
        ("high", 1, 1, "propose_off_boarding"),
        ("high", 3, 1, "propose_off_boarding"),
        ("high", 1, 2, "review"),
        ("high", 0, 1, "review"),
        ("high", None, 1, "review"),
        ("medium", 7, 1, "review"),
        ("medium", None, 1, "review"),
        ("low", 7, 1, "none"),
        ("low", None, 1, "none"),
    ],
)
def test_off_boarding_is_proposed_only_for_high_customers_with_patterns(segment, patterns, minimum, action) -> None:
    """Off-boarding is proposed only for High with enough patterns, never if no patterns can be seen."""
    assert ActionRule(minimum=minimum, patterns={}).action(segment, patterns) == action


def test_patterns_are_in_the_order_of_the_definitions() -> None:
    """The patterns are in the order of their definitions, although a manifest's keys are sorted by name."""
    patterns = {pattern.code: {"hours": 1.0} for pattern in PATTERNS}
    written = msgspec.json.encode(ActionRule(minimum=1, patterns=patterns), order="sorted")
    assert [*msgspec.json.decode(written)["patterns"]] == sorted(patterns)
    assert [*msgspec.json.decode(written, type=ActionRule).patterns] == [*patterns]
