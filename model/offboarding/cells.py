"""The cells of the off-boarding list that people fill in."""

from __future__ import annotations

from typing import Final

SIGN_OFF: Final = ("decision", "name", "date", "note")
