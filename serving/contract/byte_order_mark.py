"""The byte order mark at the beginning of a text in UTF-8, which RFC 8259 lets a parser of JSON ignore."""

from __future__ import annotations

from codecs import BOM_UTF8


def without_mark(text: bytes) -> bytes:
    """Return a text in UTF-8 without its byte order mark, which editors write; without one, unchanged."""
    return text.removeprefix(BOM_UTF8)
