"""Runs every code path of a request once, so that everything is compiled before the server is ready."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np

from customer_risk.model.errors import CustomerRiskError
from customer_risk.model.features.columns import Person
from customer_risk.serving.auth.caller import LOCAL, Caller
from customer_risk.serving.contract.batch import read_items
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import RequestContext
from customer_risk.serving.http.responses import response_of
from customer_risk.serving.kserve.v2 import body as v2_body
from customer_risk.serving.kserve.v2 import fields
from customer_risk.serving.offload import MOST_ON_LOOP
from customer_risk.serving.record.outbox import compact

_REQUEST: Final[dict[str, Any]] = {
    "customer_id": "warm-up",
    "profile": dict.fromkeys(Person._fields),
    "history_complete": True,
}
_TIMES: Final = (
    "2024-08-21T10:33:50.629801Z",
    "2024-08-22 10:33:50.1 UTC",
    "2024-08-23T10:33:50+02:00",
    "2024-08-24T10:33:50.6298010Z",  # of a form that is parsed by the slow parser
)
_ROWS: Final[list[dict[str, Any]]] = [
    {
        "id": f"t-{place}",
        "state": "COMPLETED",
        "type": "CARDS" if place % 2 else "BANK_TRANSFER",
        "amount": 1.5 + place,
        "currency": "EUR",
        "direction": "OUT" if place % 2 else "IN",
        "created_at": time,
        "completed_at": time if place else None,
    }
    for place, time in enumerate(_TIMES)
]
_LARGE: Final = 1 + MOST_ON_LOOP // len(msgspec.json.encode(_ROWS[0]))  # rows that make a body large
_MESSAGE: Final = b"\x2a\x08\x1a\x01\x01\x2a\x03\x42\x01c"  # a gRPC request: one tensor of shape [1] with one text
_ROUNDS: Final = 3  # Python also optimises code after it has run


def take_every_path(service: Service) -> None:
    """Answer requests about an invented customer on every code path; nothing is recorded or counted."""
    exchange = Exchange(service)
    callers = (LOCAL, Caller("warm-up", frozenset()))
    for body, caller in itertools.product(tuple(_bodies(service)) * _ROUNDS, callers):
        response_of(exchange.answer(body, RequestContext("", caller)))
    with contextlib.suppress(CustomerRiskError):  # rules can't answer values by position
        service.answer_values("warm-up", np.zeros(len(service.names())))
    compact.prepare()
    read_items(b'{"requests":[{"customer_id":"warm-up"}]}')
    fields.holds_more(_MESSAGE, 9)
    for tensors in (b"[]", b'[{"name":"request","datatype":"BYTES","shape":[1],"data":["{}"]}]'):
        with contextlib.suppress(CustomerRiskError):
            v2_body.read_call(b'{"inputs":%b}' % tensors, json_length=None, every=())


def _bodies(service: Service) -> Iterator[bytes]:
    """Yield valid bodies and refused ones, of each form and size."""
    large = [row | {"id": f"t-{place}"} for place, row in zip(range(_LARGE), itertools.cycle(_ROWS), strict=False)]
    odd = _ROWS[1] | {"type": "UNKNOWN", "created_at": "9000-01-01T00:00:00Z"}
    for rows in (_ROWS, _ROWS[:1], large, [odd, odd]):
        columns = {name: [each[name] for each in rows] for name in rows[0]}
        for transactions in (rows, columns):
            yield from _variants(_REQUEST | {"transactions": transactions})
    yield from _variants(_REQUEST | {"transactions": []})
    optional = {"completed_at", "currency"}
    required = [{name: value for name, value in row.items() if name not in optional} for row in _ROWS]
    yield msgspec.json.encode({"customer_id": "warm-up", "profile": {}, "transactions": required})
    with contextlib.suppress(CustomerRiskError):
        names = service.names()
        yield from _variants({"customer_id": "warm-up", "features": dict.fromkeys(names, 1e14)})
        yield msgspec.json.encode({"customer_id": "warm-up", "features": dict.fromkeys(names)})
    yield from (b"", b"{", b"\xff", b"{}", b"[]")


def _variants(request: dict[str, Any]) -> Iterator[bytes]:
    """Yield a valid body, one with an unknown field, and ones that are refused for a value and for a missing field."""
    sound = msgspec.json.encode(request)
    yield sound
    yield msgspec.json.encode(request | {"unknown": None})
    yield sound.replace(b'"EUR"', b'"USD"').replace(b'"warm-up"', b"NaN")
    yield sound.replace(b"2024-08-2", b"2024-99-2").replace(b'"customer_id"', b'"customer"')
