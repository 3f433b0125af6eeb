"""What an answer warns of: input that was understood otherwise than written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InputWarning:
    """Something in a request that was understood otherwise than written; `pointer` is an RFC 6901 JSON pointer."""

    code: str
    pointer: str
    detail: str


def unknown_category(pointer: str, value: str) -> InputWarning:
    """Return the warning for a category that no vocabulary holds."""
    return InputWarning("UNKNOWN_CATEGORY", pointer, f"{value[:60]!r} is not known and was taken as any other")
