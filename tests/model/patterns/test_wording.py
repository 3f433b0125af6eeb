"""The words of patterns."""

from __future__ import annotations

import pytest

from customer_risk.model.patterns.definitions import PATTERNS
from customer_risk.model.patterns.wording import Wording


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.code)
def test_every_pattern_describes_its_thresholds_and_its_finding(pattern, thresholds) -> None:
    """Every placeholder is filled in, and all thresholds are named."""
    wording = Wording(pattern.code, thresholds[pattern.code])
    told = wording.tell(count=3, amount=1234.5, share=0.873)
    assert "{" not in told + wording.describe()
    assert "EUR 1,234.50" in told
    assert all(f"{{{name}}}" in pattern.limits for name in thresholds[pattern.code])


def test_one_transaction_is_singular(thresholds) -> None:
    """The noun agrees with the number."""
    large = Wording("LARGE_AMOUNT", thresholds["LARGE_AMOUNT"])
    sentence = (
        "of EUR 3,000.00 or more, and of EUR 2,000.00 or more, which 95% of customers never exceed; "
        "EUR 8,000.00 altogether."
    )
    assert large.tell(count=1, amount=8000.0, share=None) == f"1 transaction {sentence}"
    assert large.tell(count=2, amount=8000.0, share=None) == f"2 transactions {sentence}"


@pytest.mark.parametrize(
    ("hours", "worded"),
    [
        (0.1, "6 minutes"),
        (1 / 60, "1 minute"),
        (1, "1 hour"),
        (1.5, "1.5 hours"),
        (24, "24 hours"),
        (168, "7 days"),
        (24_000_000, "1,000,000 days"),
    ],
)
def test_a_length_of_time_has_a_suitable_unit(hours, worded) -> None:
    """Minutes below an hour, hours, and days from two days on."""
    wording = Wording("FAILED_TOP_UPS", {"count": 3, "hours": hours})
    assert wording.describe() == f"3 or more within {worded}"
