"""Bodies that are cheap to send and expensive to read, for every endpoint that returns decisions."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

from customer_risk.serving.http.body import MOST_BYTES

RISK: Final = "/ai/v1/risk"
BATCH: Final = "/ai/v1/risk:batch"
PREDICT: Final = "/v1/models/customer-risk:predict"
INFER: Final = "/v2/models/customer-risk/infer"
GRPC: Final = "grpc:ModelInfer"
ENTRANCES: Final = (RISK, BATCH, PREDICT, INFER, GRPC)

_ROW: Final = (
    b'{"id":"t%d","state":"COMPLETED","type":"CARD_PAYMENT","amount":12.5,"currency":"EUR","direction":"OUT",'
    b'"created_at":"2024-08-21T10:33:50.629801Z","completed_at":"2024-08-21T10:33:51Z"}'
)
_COLUMNS: Final = ("id", "state", "type", "direction", "created_at", "amount")


class Hostile(NamedTuple):
    """A body for one endpoint; a gRPC message if `entrance` is GRPC."""

    name: str
    entrance: str
    body: bytes


def corpus(size: int = MOST_BYTES, only: Collection[str] | None = None) -> Iterator[Hostile]:
    """Yield bodies of at most `size` bytes: requests for every endpoint, then bodies for one endpoint each.

    With `only`, yield only the bodies with these names.
    """
    for name, make in _REQUESTS.items():
        if only is not None and name not in only:
            continue
        for entrance in ENTRANCES:
            most = (size - 300) // 2 if entrance == INFER else size - 300  # quotes double in a text within JSON
            yield Hostile(name, entrance, wrapped(make(most), entrance))
    for name, (entrance, make) in _BODIES.items():
        if only is None or name in only:
            yield Hostile(name, entrance, make(size - 300))


def wrapped(request: bytes, entrance: str) -> bytes:
    """Return the body that carries one request to an endpoint."""
    match entrance:
        case "/ai/v1/risk:batch":
            return b'{"requests":[%b]}' % request
        case "/v1/models/customer-risk:predict":
            return b'{"instances":[%b]}' % request
        case "/v2/models/customer-risk/infer":
            return _tensor("request", b"[%b]" % json.dumps(request.decode()).encode())
        case "grpc:ModelInfer":
            contents = _field(5, _field(8, request))
            return _MODEL + _field(5, _REQUEST + _ONE + contents)
        case _:
            return request


def _with(transactions: bytes) -> bytes:
    return b'{"customer_id":"c","profile":{},"history_complete":true,"transactions":%b}' % transactions


def _list(value: bytes, size: int) -> bytes:
    return b"[%b]" % b",".join([value] * (size // (len(value) + 1)))


def _rows(size: int) -> list[bytes]:
    return [_ROW % place for place in range(size // (len(_ROW) + 6))]


def _columns(size: int) -> bytes:
    each = size // len(_COLUMNS)
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), _list(b"1", each - 20)) for name in _COLUMNS)


def _names(size: int) -> bytes:
    return b"{%b}" % b",".join(b'"%d":1' % place for place in range(size // 11))


def _tensor(name: str, data: bytes) -> bytes:
    return b'{"inputs":[{"name":"%b","datatype":"BYTES","shape":[1],"data":%b}]}' % (name.encode(), data)


_REQUESTS: Final[dict[str, Callable[[int], bytes]]] = {
    "empty rows": lambda size: _with(_list(b"{}", size - 100)),
    "numbers for rows": lambda size: _with(_list(b"1", size - 100)),
    "rows in a row": lambda size: _with(b"[%b]" % _list(b"{}", size - 100)),
    "sound rows, the last one bad": lambda size: _with(b"[%b]" % b",".join([*_rows(size - 300), b"{}"])),
    "sound rows, not JSON at the end": lambda size: _with(b"[%b]" % b",".join([*_rows(size - 300), b"}"])),
    "sound rows, NaN at the end": lambda size: _with(b"[%b]" % b",".join([*_rows(size - 300), b"NaN"])),
    "sound rows, an unknown field": lambda size: b'{"x":1,%b' % _with(b"[%b]" % b",".join(_rows(size - 300)))[1:],
    "sound rows, no time": lambda size: _with(
        b"[%b]" % b",".join(row.replace(b"2024-08-21T10:33:51Z", b"twenty past eleven..") for row in _rows(size - 100))
    ),
    "a list": lambda size: _list(b"{}", size),
    "bad columns": lambda size: _with(_columns(size - 200)),
    "one long column": lambda size: _with(
        b'{"id":["a"],"type":["a"],"amount":[1],"direction":["IN"],"created_at":["2024-08-26T10:33:50Z"],"state":%b}'
        % _list(b'"C"', size - 300)
    ),
    "lists in an unread field": lambda size: (
        b'{"customer_id":"c","transactions":[],"profile":{"gender":%b}}' % _list(b"[]", size - 100)
    ),
    "a field again and again": lambda size: _with(b"[%b]" % _list(b'{"id":5,"id":"x"}', size - 100)),
    "unknown names": _names,
    "unknown names in the profile": lambda size: (
        b'{"customer_id":"c","transactions":[],"profile":%b}' % _names(size - 60)
    ),
    "unknown names in a row": lambda size: _with(b"[%b]" % _names(size - 100)),
    "unknown features": lambda size: b'{"customer_id":"c","features":%b}' % _names(size - 40),
    "a long number": lambda size: b'{"customer_id":%b}' % (b"1" * (size - 20)),
    "a long text": lambda size: b'{"customer_id":"%b"}' % (b"a" * (size - 20)),
    "deep": lambda size: _with(b"[" * (size - 100)),
    "escapes": lambda size: b'{"customer_id":"%b"}' % (b"\\u0041" * ((size - 20) // 6)),
}


def _varint(number: int) -> bytes:
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


_REQUEST: Final = _field(1, b"request") + _field(2, b"BYTES")
_ONE: Final = _field(3, b"\x01")  # the shape [1]
_MODEL: Final = _field(1, b"customer-risk")
_BODIES: Final[dict[str, tuple[str, Callable[[int], bytes]]]] = {
    "items of nothing": (BATCH, lambda size: b'{"requests":%b}' % _list(b"0", size)),
    "instances of nothing": (PREDICT, lambda size: b'{"instances":%b}' % _list(b"0", size)),
    "inputs of nothing": (INFER, lambda size: b'{"inputs":%b}' % _list(b"0", size)),
    "values of nothing": (INFER, lambda size: _tensor("customer_id", _list(b"{}", size))),
    "rows of nothing": (INFER, lambda size: _tensor("features", _list(b"[]", size))),
    "other members": (BATCH, lambda size: b'{"requests":[{}],"more":%b}' % _list(b"0", size)),
    "empty inputs": (GRPC, lambda size: _MODEL + _field(5, b"") * (size // 2)),
    "empty outputs": (GRPC, lambda size: _MODEL + _field(6, b"") * (size // 2)),
    "empty raw contents": (GRPC, lambda size: _MODEL + _field(7, b"") * (size // 2)),
    "empty texts": (GRPC, lambda size: _MODEL + _field(5, _REQUEST + _field(5, _field(8, b"") * (size // 2)))),
    "empty raw texts": (GRPC, lambda size: _MODEL + _field(5, _REQUEST + _ONE) + _field(7, bytes(size))),
    "parameters": (GRPC, lambda size: _MODEL + b"".join(_field(4, _field(1, b"%d" % i)) for i in range(size // 12))),
    "a long shape": (GRPC, lambda size: _MODEL + _field(5, _REQUEST + _field(3, b"\x01" * size))),
    "integers": (GRPC, lambda size: _MODEL + _field(5, _REQUEST + _ONE + _field(5, _field(2, b"\x01" * size)))),
    "unknown fields": (GRPC, lambda size: _MODEL + b"\x78\x01" * (size // 2)),
}
