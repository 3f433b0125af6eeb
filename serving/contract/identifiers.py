"""Identifiers in time order: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import random


def uuid7(milliseconds: int, bits: int | None = None) -> str:
    """Return a new one as text: 48 bits of milliseconds since 1970, the version, the variant and 74 random bits.

    `bits` returns the random bits, which needn't be unpredictable; Python seeds the default again in each forked
    process. Making a `uuid.UUID` would double the cost.
    """
    chance = random.getrandbits(74) if bits is None else bits
    high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | chance >> 62
    low = 0b10 << 62 | chance & (1 << 62) - 1
    digits = f"{high << 64 | low:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
