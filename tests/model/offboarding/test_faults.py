"""Messages about the faults of a list."""

from __future__ import annotations

import pytest

from customer_risk.model.offboarding.faults import Fault, ranges, tell


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([1], "1"),
        ([3, 1, 2, 2], "1-3"),
        ([1, 2, 4, 6, 7, 8], "1-2, 4, 6-8"),
        (range(1, 61, 2), "1, 3, 5, 7, 9, 11, 13, 15, 17, 19 and 20 more"),
        ([*range(1, 21, 2), *range(30, 1030)], "1, 3, 5, 7, 9, 11, 13, 15, 17, 19 and 1,000 more"),
    ],
)
def test_lines_are_worded_as_ranges(lines, said):
    """At most ten ranges are named, then the number of further lines."""
    assert ranges(lines) == said


def test_faults_are_grouped_by_field_and_detail():
    """The value of the first line is shown, with its customer."""
    faults = [
        Fault(2, "b", "date", "is empty"),
        Fault(1, "a", "date", "is empty"),
        Fault(2, "b", "probability", "was altered", "from '0.8' to '0.3'"),
        Fault(1, "a", "probability", "was altered", "from '0.7' to '0.2'"),
        Fault(3, "c", "note", "gives no reason", "'-'"),
    ]
    assert tell(faults) == (
        "2 lines (1-2), date: is empty",
        "2 lines (1-2), probability: was altered; in line 1, customer a: from '0.7' to '0.2'",
        "line 3, customer c, note: gives no reason: '-'",
    )


def test_many_kinds_of_faults_are_counted():
    """At most twenty faults are named, then the number of further kinds."""
    said = tell(Fault(line, "a", f"column {line}", "was altered") for line in range(1, 26))
    assert len(said) == 21
    assert said[-1] == "and 5 more kinds of faults"
