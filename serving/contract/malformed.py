"""The refusal of a body that isn't JSON."""

from __future__ import annotations

from customer_risk.serving.contract.byte_order_mark import is_utf16
from customer_risk.serving.errors import MalformedBody


def not_json(body: bytes, error: Exception, *, remedy: str = "Send one JSON object in UTF-8.") -> MalformedBody:
    """Return the error for a body, or a line of a file, that a decoder refused with `error`."""
    return MalformedBody(f"The body isn't JSON: {'it is in UTF-16' if is_utf16(body) else error}.", remedy=remedy)
