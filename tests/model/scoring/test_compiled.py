"""Compiling."""

from __future__ import annotations

import pytest

from customer_risk.model.scoring.compiled import compiled


@pytest.mark.compiled
def test_what_cannot_be_kept_on_the_disk_is_compiled_all_the_same():
    """As on a read-only disk: here there is no file to keep it beside."""
    names: dict = {}
    exec("def double(x):\n    return 2 * x", names)  # noqa: S102  a function without a file
    double = compiled(names["double"])
    assert double(21) == 42
    assert double.signatures
