"""The byte order mark of UTF-8, which RFC 8259 lets a parser ignore, and the detection of UTF-16."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE


def without_mark(text: bytes) -> bytes:
    """Return a text in UTF-8 without the byte order mark that some editors write."""
    return text.removeprefix(BOM_UTF8)


def is_utf16(text: bytes) -> bool:
    """Return whether a text begins as UTF-16 or UTF-32 do: with a byte order mark, or with ASCII and one NUL."""
    return text.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or (len(text) > 1 and (text[0] == 0) != (text[1] == 0))
