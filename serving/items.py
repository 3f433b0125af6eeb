"""A batch: up to a thousand requests in one call, each answered or refused on its own."""

from __future__ import annotations

from typing import Final

import msgspec

from model.errors import BadField, InputError
from serving.answer import WireAnswer
from serving.errors import BodyTooLarge, MalformedBody
from serving.problem import Problem

MOST_ITEMS: Final = 1000


class Batch(msgspec.Struct, frozen=True):
    """What `POST /ai/v1/risk:batch` takes: requests as `/ai/v1/risk` takes them, each left to be read by itself."""

    requests: list[msgspec.Raw]


class BatchItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request's outcome: the status that it would have had alone, and its answer or its problem."""

    status: int
    answer: WireAnswer | None = None
    problem: Problem | None = None


class BatchAnswer(msgspec.Struct, frozen=True):
    """The outcomes, in the requests' order."""

    items: list[BatchItem]


_decode: Final = msgspec.json.Decoder(Batch).decode


def read_items(body: bytes) -> list[msgspec.Raw]:
    """Take a batch apart; raises MalformedBody, BodyTooLarge past MOST_ITEMS, InputError where it is no batch."""
    try:
        items = _decode(body).requests
    except msgspec.ValidationError as error:
        raise InputError((BadField("/requests", f"expected a list of 1 to {MOST_ITEMS:,} requests"),)) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise MalformedBody(f"The body isn't JSON: {error}.", remedy="Send one JSON object in UTF-8.") from error
    if len(items) > MOST_ITEMS:
        raise BodyTooLarge(f"The batch has {len(items):,} requests.", remedy=f"Send at most {MOST_ITEMS:,} at a time.")
    if not items:
        raise InputError((BadField("/requests", f"expected a list of 1 to {MOST_ITEMS:,} requests; got none"),))
    return items
