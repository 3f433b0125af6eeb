"""Compilation of functions."""

from __future__ import annotations

import pytest

from customer_risk.model.scoring.compiled import compiled


@pytest.mark.compiled
def test_a_function_that_cannot_be_cached_is_compiled():
    """A function without a source file, whose code can't be cached, is compiled too."""
    names: dict = {}
    exec("def double(x):\n    return 2 * x", names)  # noqa: S102  a function without a file
    double = compiled(names["double"])
    assert double(21) == 42
    assert double.signatures
