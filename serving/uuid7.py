"""Identifiers in time order: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import os


def uuid7(milliseconds: int, random: bytes | None = None) -> str:
    """Make one: 48 bits of milliseconds since 1970, then the version, the variant and 74 bits of chance.

    `random` (10 bytes) stands in for chance. As a text: `uuid.UUID` would cost as much again as all the rest.
    """
    chance = int.from_bytes(random or os.urandom(10), "big")
    high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | chance >> 64 & 0x0FFF
    low = 0b10 << 62 | chance & (1 << 62) - 1
    digits = f"{high << 64 | low:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
