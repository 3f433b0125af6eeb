"""A batch: up to a thousand requests in one call, each answered or refused on its own."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from customer_risk.model.errors import BadField, InputError
from customer_risk.serving.contract import json_scanner
from customer_risk.serving.contract.answer import WireAnswer
from customer_risk.serving.contract.byte_order_mark import without_mark
from customer_risk.serving.contract.columns import column
from customer_risk.serving.contract.json_scanner import NotJson, Span
from customer_risk.serving.contract.malformed import not_json
from customer_risk.serving.contract.problem import Problem
from customer_risk.serving.errors import BodyTooLarge
from customer_risk.serving.offload import MOST_ON_LOOP

MOST_ITEMS: Final = 1000
_any: Final = msgspec.json.Decoder(msgspec.Raw)


class Batch(msgspec.Struct, frozen=True):
    """The body of `POST /ai/v1/risk:batch`: requests as `/ai/v1/risk` takes them, each decoded separately."""

    requests: list[msgspec.Raw]


class BatchItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of one request: the status that a single request would have, and its answer or its problem."""

    status: Annotated[int, column(duckdb="INTEGER")]
    answer: WireAnswer | None = None
    problem: Problem | None = None
    customer_id: Annotated[str | None, column("of a refused customer; null if it can't be read")] = None


class BatchAnswer(msgspec.Struct, frozen=True):
    """The outcomes, in the requests' order."""

    items: list[BatchItem]


def too_many_items() -> BodyTooLarge:
    """Return the error for a call about more than MOST_ITEMS customers."""
    return BodyTooLarge(
        f"The call has more than {MOST_ITEMS:,} customers.", remedy=f"Send at most {MOST_ITEMS:,} at a time."
    )


def read_items(body: bytes) -> list[bytes]:
    """Return the texts of a batch's requests; raises MalformedBody, InputError, and BodyTooLarge past MOST_ITEMS."""
    items = read_list(body, "requests", expected=f"expected a list of 1 to {MOST_ITEMS:,} requests")
    if not items:
        raise InputError(
            (BadField("/requests", f"expected a list of 1 to {MOST_ITEMS:,} requests; got an empty list"),)
        )
    return items


def read_list(body: bytes, name: str, *, expected: str) -> list[bytes]:
    """Return the texts in the list that an object has under `name`.

    Raises MalformedBody, BodyTooLarge past MOST_ITEMS, and InputError with the text `expected` if there is no list.
    """
    body = without_mark(body)
    text = json_scanner.finite(body)  # NaN makes one request invalid, not the whole list
    try:
        body.decode()
        whole, found = json_scanner.whole(text), None
        if text[whole.begin : whole.begin + 1] == b"{":
            for place, (member, value) in enumerate(json_scanner.members(text, whole)):
                if place > MOST_ITEMS:
                    raise InputError((BadField("", f"has more than {MOST_ITEMS:,} fields besides {name}"),))
                if member == name:
                    found = value
                elif value.end - value.begin <= MOST_ON_LOOP:
                    _any.decode(text[value.begin : value.end])
        if found is None or text[found.begin : found.begin + 1] != b"[":
            raise InputError((BadField(f"/{name}", expected),))
        return _texts(body, text, found)
    except (NotJson, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(body, _cause(body, error)) from error


def _texts(body: bytes, text: bytes, within: Span) -> list[bytes]:
    texts: list[bytes] = []
    for found in json_scanner.elements(text, within):
        if len(texts) + len(found) > MOST_ITEMS:
            raise too_many_items()
        for begin, end in found.tolist():
            if end - begin <= MOST_ON_LOOP:  # a larger item is decoded only once, when it is answered
                _any.decode(text[begin:end])
            texts.append(body[begin:end])
    return texts


def _cause(body: bytes, error: Exception) -> Exception:
    """Return the decoder's error for the whole body, which names the position."""
    if isinstance(error, UnicodeDecodeError):
        return error
    try:
        _any.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as found:
        return found
    return error
