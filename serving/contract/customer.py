"""The customer_id of a refused request."""

from __future__ import annotations

from itertools import islice
from typing import Final

import msgspec

from customer_risk.serving.contract import json_scanner
from customer_risk.serving.contract.byte_order_mark import without_mark
from customer_risk.serving.contract.json_scanner import NotJson
from customer_risk.serving.contract.request import CustomerId

_MOST_FIELDS: Final = 1000  # are searched for the id
_MOST_BYTES: Final = 2048  # of an id in JSON: 128 characters take no more than 12 bytes each
_id: Final = msgspec.json.Decoder(CustomerId)


def customer_of(body: bytes) -> str | None:
    """Return the customer_id of a request, None if it is invalid; other fields may be invalid.

    The request isn't decoded: only the fields' names and the id are read.
    """
    text, found = without_mark(body), None
    try:
        for name, span in islice(json_scanner.members(text, json_scanner.whole(text)), _MOST_FIELDS):
            if name == "customer_id":
                found = _id.decode(text[span.begin : span.end]) if span.end - span.begin <= _MOST_BYTES else None
    except (NotJson, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found
