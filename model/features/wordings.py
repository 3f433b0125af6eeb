"""The versions of the texts of reasons: a bundle and a record keep the texts of their own version."""

from __future__ import annotations

from typing import Final

FIRST: Final = 1  # the texts of bundles and records that name no version
CURRENT: Final = 2  # what training writes
