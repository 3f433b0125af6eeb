"""Identifiers in time order: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
from uuid import UUID


def uuid7(milliseconds: int, random: bytes | None = None) -> UUID:
    """Make one: 48 bits of milliseconds since 1970, then the version, the variant and 74 bits of chance.

    `random` (10 bytes) stands in for chance.
    """
    chance = int.from_bytes(random or os.urandom(10), "big")
    high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | chance >> 64 & 0x0FFF
    low = 0b10 << 62 | chance & (1 << 62) - 1
    return UUID(int=high << 64 | low)
