"""Checks outcomes of odd requests: an answer of the documented form, or a refusal that points into the request."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from customer_risk.model.errors import InputError
from customer_risk.serving.contract.answer import Answer, render
from customer_risk.serving.decisions.validation import MOST_FAULTS
from customer_risk.serving.errors import BodyTooLarge, MalformedBody
from customer_risk_client import Answer as Shown

if TYPE_CHECKING:
    from customer_risk.serving.decisions.service import Service

REFUSED_JSON = "the service refused JSON as MalformedBody"
Outcome = Answer | InputError | MalformedBody | BodyTooLarge


def outcome_of(ask: Callable[[], Answer]) -> Outcome:
    """Return an answer or a refusal of the request; other errors are raised."""
    try:
        return ask()
    except (InputError, MalformedBody, BodyTooLarge) as refusal:
        return refusal


def judge(service: Service, body: bytes) -> Outcome:
    """Answer a body and check the outcome; raises AssertionError if it is not as documented."""
    outcome = outcome_of(lambda: service.answer(body))
    document, sound = read(body)
    match outcome:
        case Answer():
            check_answer(outcome)
            if document is not None:
                assert outcome.customer_id == document["customer_id"]
                for warning in outcome.warnings:
                    check_pointer(warning.pointer, document)
        case InputError():
            assert outcome.fields
            for field in outcome.fields[:MOST_FAULTS]:
                assert field.detail
                check_pointer(field.pointer, document)
        case MalformedBody():
            assert not sound, REFUSED_JSON
    return outcome


def require_malformed(body: bytes) -> None:
    """Raise AssertionError if a body that was refused as MalformedBody is JSON."""
    _, sound = read(body)
    assert not sound, REFUSED_JSON


def check_answer(answer: Answer) -> None:
    """Check the form of an answer, with and without explanations."""
    for explain in (True, False):
        shown = msgspec.json.decode(msgspec.json.encode(render(answer, explain=explain)), type=Shown)
        if shown.source == "model":
            assert shown.probability is not None
            assert 0 <= shown.probability <= 1
        for reason in shown.reasons:
            assert (reason.feature is not None) == (explain and shown.source == "model")
            assert all(math.isfinite(each or 0) for each in (reason.value, reason.contribution, reason.share))


class Members(dict[str, Any]):
    """A JSON object whose repeated members have their last value; `every` has all of them."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.every: dict[str, list[Any]] = {}
        for name, value in pairs:
            self.every.setdefault(name, []).append(value)


def check_pointer(pointer: str, document: Any) -> None:
    """Check that a JSON pointer names a place of the document, or a member that is missing there.

    It may lead through any value of a repeated member, as a refusal may be about each of them.
    """
    if not pointer:
        return
    assert pointer.startswith("/"), pointer
    *way, last = (name.replace("~1", "/").replace("~0", "~") for name in pointer[1:].split("/"))
    places = [document]
    for name in way:
        places = [value for place in places for value in _values(place, name)]
    assert any(
        _is_place(last, len(place)) if isinstance(place, list) else isinstance(place, dict) for place in places
    ), pointer


def _values(place: Any, name: str) -> list[Any]:
    if isinstance(place, list):
        return [place[int(name)]] if _is_place(name, len(place)) else []
    if isinstance(place, dict) and name in place:
        earlier = place.every.get(name, [])[:-1] if isinstance(place, Members) else []
        return [place[name], *earlier]
    return []


def _is_place(name: str, length: int) -> bool:
    return name.isdecimal() and int(name) < length


def read(body: bytes) -> tuple[Any, bool]:
    """Return what Python's JSON reads of a body, and whether the body is strict JSON.

    The value is None if the text isn't JSON, or is nested more deeply than Python reads; the service may answer the
    latter if it doesn't read that member. A number with too many digits for Python is an infinity.
    """
    strict = True

    def loose(name: str) -> float:
        nonlocal strict
        strict = False
        return float(name)

    def members(pairs: list[tuple[str, Any]]) -> Members:
        nonlocal strict
        found = Members(pairs)
        if len(found) < len(pairs):
            try:
                json.dumps(pairs, ensure_ascii=False).encode()
            except UnicodeEncodeError:  # half of a surrogate pair in a value that a later one replaces
                strict = False
        return found

    try:
        text = body.decode("utf-8-sig")  # a byte order mark is ignored
        document = json.loads(text, parse_constant=loose, parse_int=_number, object_pairs_hook=members)
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None, False
    return document, strict


def _number(digits: str) -> float:
    return int(digits) if len(digits) < 4000 else float(digits)
