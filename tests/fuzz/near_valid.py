"""Requests that are nearly valid: in each form, a few places are changed."""

from __future__ import annotations

import copy
import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from customer_risk.serving.contract.request import Transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

_TIMES = ("2024-08-26T10:33:50.629801Z", "2024-08-26 10:33:50 UTC", "2024-02-29T23:59:59+05:30", "2023-01-01T00:00:00Z")
_ODD_TIMES = (
    "2024-02-30T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59",
    "2024-08-26T10:33:50",
    "2024-08-26T24:00:00Z\n",
    "2024-08-26T10:33:60.9999999999Z",
    "\n" * 20,
    "-" * 20,
    "٢٠٢٤-08-26T10:33:50Z",
)
_LITERALS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-0.0",
    "1e-999",
    "01",
    "0x10",
    "9" * 400,
    "9" * 5000,
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u0000"',
    '"\x00"',
    "'x'",
    "[1,]",
    "",
    "[" * 900 + "]" * 900,
    "[" * 5000 + "]" * 5000,
    '{"a":' * 1200 + "1" + "}" * 1200,
)


@dataclass(frozen=True)
class Literal:
    """A text that is written unchanged, whether or not it is JSON."""

    text: str


def write(value: object) -> str:
    """Write a document as JSON, and its literals unchanged."""
    match value:
        case Literal(text):
            return text
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{write(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ",".join(map(write, value)) + "]"
        case _:
            return json.dumps(value)


def encode(value: object) -> bytes:
    """Encode a document; half surrogates become bytes that are not UTF-8."""
    return write(value).encode(errors="surrogatepass")


def documents(features: Sequence[str]) -> SearchStrategy[Any]:
    """Valid requests for a model with these features, in any of the three forms."""
    return st.one_of(_rows(), _rows().map(_as_columns), _features(features))


def spoiled(features: Sequence[str]) -> SearchStrategy[Any]:
    """Such requests with up to four changes."""
    return _spoil(documents(features))


def tensors(features: Sequence[str]) -> SearchStrategy[Any]:
    """Nearly valid V2 bodies: one tensor of features or one for each, for zero to two customers."""
    return _spoil(st.integers(0, 2).flatmap(lambda customers: _tensors(features, customers)))


@st.composite
def binary_tensors(draw: Any, features: Sequence[str]) -> tuple[bytes, bytes]:
    """Draw a nearly valid V2 body in two parts: the JSON, and the values of some tensors in binary form."""
    document = draw(st.integers(0, 2).flatmap(lambda customers: _tensors(features, customers)) | _requests(features))
    behind = b""
    for tensor in document["inputs"]:
        if draw(st.booleans()):
            values = b"".join(map(_as_binary, tensor.pop("data")))
            tensor["parameters"] = {"binary_data_size": len(values)}
            behind += values
    return encode(draw(_spoil(st.just(document)))), behind


def _requests(features: Sequence[str]) -> SearchStrategy[dict[str, Any]]:
    texts = st.lists(spoiled(features).map(lambda each: encode(each).decode(errors="replace")), max_size=2)
    return texts.map(lambda data: {"inputs": [_tensor("request", "BYTES", data, [len(data)])]})


def _as_binary(value: str | float | None) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", len(value.encode())) + value.encode()
    return struct.pack("<d", math.nan if value is None else value)


@st.composite
def _spoil(draw: Any, sound: SearchStrategy[Any]) -> Any:
    document = copy.deepcopy(draw(sound))
    for _ in range(draw(st.integers(0, 4))):
        document = _change(draw, document)
    return document


def bodies(features: Sequence[str]) -> SearchStrategy[bytes]:
    """The bytes of such requests; some are cut off or have an additional byte."""
    return st.builds(
        _scratch, spoiled(features).map(encode), st.integers(0, 30), st.floats(0, 1), st.binary(max_size=2)
    )


def _scratch(body: bytes, way: int, where: float, piece: bytes) -> bytes:
    place = int(where * len(body))
    match way:
        case 0:
            return body[:place]
        case 1:
            return body[:place] + piece + body[place:]
        case 2:
            return (b"\xef\xbb\xbf", b" \n\t", b"\x00", b"")[len(body) % 4] + body
        case 3:
            return body + (b" \n", b"{}", b"\x00", b",")[len(body) % 4]
        case _:
            return body


def odd_values() -> SearchStrategy[Any]:
    """Values that are invalid at most places."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from(
            [0, -1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**30, 1e15, 1.0000001e15, 5e-324, 1e308]
        ),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
        st.sampled_from(
            ["", "x" * 128, "x" * 129, "é" * 128, "\U0001f600" * 128, "1990-01-31", "0001-01-01", "\ud800"]
        ),
        st.sampled_from([*_TIMES, *_ODD_TIMES]),
        st.sampled_from(_LITERALS).map(Literal),
        st.sampled_from([[], {}, [[]], [{}], {"": {}}, [None] * 3]).map(copy.deepcopy),
        st.lists(st.none() | st.integers() | st.text(max_size=3), max_size=4),
        st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=3), max_size=3),
    )


def _change(draw: Any, document: Any) -> Any:
    """Change one place of a document: replace, remove, double or rename it."""
    places = list(_places(document))
    if not places:
        return draw(odd_values())
    holder, key = places[draw(st.integers(0, len(places) - 1))]
    way = draw(st.sampled_from(["put", "put", "put", "put", "drop", "double", "unknown", "wrap", "whole"]))
    if way == "whole" and draw(st.integers(0, 9)) == 0:
        return draw(odd_values())
    if way == "drop":
        del holder[key]
    elif way == "wrap":
        holder[key] = [holder[key]]
    elif way == "double" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif way == "double":
        # A literal that is all of the doubled member but its first colon, so that dictionaries can hold it.
        first, last = draw(st.permutations([holder[key], draw(odd_values())]))
        holder[key] = Literal(f"{write(first)},{json.dumps(key)}:{write(last)}")
    elif way == "unknown" and isinstance(holder, dict):
        holder[draw(st.sampled_from(["", "~/", "customer_id", "features", "x" * 200]) | st.text(max_size=5))] = draw(
            odd_values()
        )
    else:
        holder[key] = draw(odd_values())
    return document


def _places(value: Any) -> Any:
    """Return each member's holder and key."""
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _transactions() -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "id": st.text(min_size=1, max_size=6),
            "state": st.sampled_from(["COMPLETED", "DECLINED", "REVERTED", "never seen"]),
            "type": st.sampled_from(["CARDS", "BANK_TRANSFER", "CRYPTO_ON_RAMP", "MANUAL", "never seen"]),
            "amount": st.floats(0, 1e9) | st.integers(0, 10**9) | st.sampled_from([0, -0.0, 1e-300]),
            "direction": st.sampled_from(["IN", "OUT", "never seen"]),
            "created_at": st.sampled_from(_TIMES),
        },
        optional={"completed_at": st.none() | st.sampled_from(_TIMES), "currency": st.just("EUR"), "more": st.none()},
    )


def _rows() -> SearchStrategy[dict[str, Any]]:
    words = st.none() | st.sampled_from(["FR", "fr-FR", "STUDENTS", "COMPLETED", "+33", ""])
    flags = st.none() | st.booleans()
    profile = st.fixed_dictionaries(
        {},
        optional={
            "occupation": words,
            "kyc_state": words,
            "country_of_residence": words,
            "phone_number_country_code": words,
            "locale": words,
            "is_pep": flags,
            "has_biometrics": flags,
            "date_of_birth": st.none() | st.dates().map(str),
            "gender": words,
        },
    )
    return st.fixed_dictionaries(
        {
            "customer_id": st.text(min_size=1, max_size=8),
            "profile": profile,
            "transactions": st.lists(_transactions(), max_size=5),
        },
        optional={"history_complete": st.booleans()},
    )


def _as_columns(request: dict[str, Any]) -> dict[str, Any]:
    rows, fills = request["transactions"], {"completed_at": None, "currency": "EUR"}
    columns = {name: [row.get(name, fills.get(name)) for row in rows] for name in Transaction.__struct_fields__}
    return {**request, "transactions": columns}


def _features(names: Sequence[str]) -> SearchStrategy[dict[str, Any]]:
    numbers = st.none() | st.floats(-1e15, 1e15) | st.integers(-(10**6), 10**6)
    return st.fixed_dictionaries(
        {
            "customer_id": st.text(min_size=1, max_size=8),
            "features": st.fixed_dictionaries(dict.fromkeys(names, numbers)),
        },
        optional={"history_complete": st.booleans()},
    )


def _tensors(names: Sequence[str], customers: int) -> SearchStrategy[dict[str, Any]]:
    ids = st.just(_tensor("customer_id", "BYTES", ["c"] * customers, [customers]))
    numbers = st.none() | st.floats(-1e15, 1e15)
    count, shape = customers * len(names), [customers, len(names)]
    values = st.lists(numbers, min_size=count, max_size=count)
    together = st.tuples(ids, values.map(lambda data: _tensor("features", "FP64", data, shape)))
    column = st.lists(numbers, min_size=customers, max_size=customers)
    single = [st.builds(_tensor, st.just(name), st.just("FP64"), column, st.just([customers])) for name in names]
    wanted = st.sampled_from(["probability", "segment", "reasons", "nothing"]).map(lambda name: {"name": name})
    return st.fixed_dictionaries(
        {"inputs": together.map(list) | st.tuples(ids, *single).map(list)},
        optional={
            "id": st.text(max_size=3),
            "parameters": st.fixed_dictionaries({}, optional={"binary_data_output": st.booleans(), "x": st.none()}),
            "outputs": st.lists(wanted, max_size=3),
        },
    )


def _tensor(name: str, datatype: str, data: list[Any], shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": data}
