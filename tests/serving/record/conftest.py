"""Fixtures of the decision record's tests."""

from __future__ import annotations

from tests.failing_disk import disk

__all__ = ["disk"]  # a fixture
