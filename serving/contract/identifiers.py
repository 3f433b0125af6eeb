"""Identifiers in time order: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import uuid_utils


def uuid7(milliseconds: int) -> str:
    """Return a new identifier as text: 48 bits of milliseconds since 1970, the version, the variant and 74 random bits.

    The random bits are unpredictable. `uuid_utils` seeds its generator again in each forked process.
    """
    return str(uuid_utils.uuid7(nanoseconds=milliseconds * 1_000_000))
