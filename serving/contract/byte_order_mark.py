"""The byte order mark at the beginning of a text in UTF-8, which RFC 8259 lets a parser of JSON ignore."""

from __future__ import annotations

from codecs import BOM_UTF8


def without_mark(text: bytes) -> bytes:
    """Return a text in UTF-8 without the mark that editors and spreadsheets put before it; without one, unchanged."""
    return text.removeprefix(BOM_UTF8)
