"""Warnings of an answer: input that was interpreted as something else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InputWarning:
    """A part of a request that was interpreted as something else; `pointer` is an RFC 6901 JSON pointer."""

    code: str
    pointer: str
    detail: str


def unknown_category(pointer: str, value: str) -> InputWarning:
    """Return the warning about an unknown category."""
    return InputWarning("UNKNOWN_CATEGORY", pointer, f"{value[:60]!r} is not a known value; it was scored as other")
