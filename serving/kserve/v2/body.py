"""V2's body over HTTP: JSON, optionally followed by tensors as binary data (the binary extension)."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType
from numpy.typing import NDArray

from customer_risk.serving.contract import json_scanner
from customer_risk.serving.contract.answer import ModelName
from customer_risk.serving.contract.batch import MOST_ITEMS, too_many_items
from customer_risk.serving.contract.byte_order_mark import without_mark
from customer_risk.serving.contract.malformed import not_json
from customer_risk.serving.decisions.validation import Faults
from customer_risk.serving.errors import MalformedBody
from customer_risk.serving.exchange.all_or_none import raise_faults
from customer_risk.serving.kserve.v2.outputs import Output
from customer_risk.serving.kserve.v2.tensors import (
    MOST_VALUES,
    Call,
    Tensor,
    find_datatype_fault,
    from_binary,
    require_few_tensors,
    to_binary,
    too_large,
)

_PATH: Final = re.compile(r" - at `\$(.*)`$")
_REMEDY: Final = "Send a request of KServe's V2 protocol."


class _Parameters(msgspec.Struct, frozen=True):
    """The parameters that are used; others are ignored, as the protocol requires."""

    binary_data_size: Annotated[int, Meta(ge=0)] | None = None
    binary_data: bool | None = None
    binary_data_output: bool | None = None


_NO_PARAMETERS: Final = _Parameters()


class _Input(msgspec.Struct, frozen=True):
    name: str
    datatype: str
    shape: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(min_length=1, max_length=2)]
    data: list[Any] | None = None
    parameters: _Parameters | None = None

    @property
    def binary_size(self) -> int | None:
        """The number of bytes of its binary data; None if its data is in the JSON."""
        return (self.parameters or _NO_PARAMETERS).binary_data_size


class _Wanted(msgspec.Struct, frozen=True):
    name: str
    parameters: _Parameters | None = None


class _Body(msgspec.Struct, frozen=True):
    """A request; null for an optional member is the same as leaving it out."""

    inputs: Annotated[list[msgspec.Raw], Meta(min_length=1)]
    id: str | None = None
    outputs: list[_Wanted] | None = None
    parameters: _Parameters | None = None


class _Tensor(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | UnsetType = UNSET
    parameters: dict[str, int] | UnsetType = UNSET


class _Response(msgspec.Struct, frozen=True, omit_defaults=True):
    model_name: str
    model_version: str
    outputs: list[_Tensor]
    id: str = ""


class Received(msgspec.Struct, frozen=True):
    """A call, and the names of the outputs that it wants as binary data."""

    call: Call
    binary: frozenset[str]


def read_call(body: bytes, *, json_length: int | None, every: Collection[str]) -> Received:
    """Return the call of a body whose first `json_length` bytes are JSON (None: all); `every` names all outputs.

    Raises MalformedBody, BodyTooLarge past MOST_VALUES, or InputError with a pointer to every bad tensor.
    """
    length = len(body) if json_length is None else json_length
    if length > len(body):
        raise MalformedBody("The body ends before its JSON does.", remedy="Count the bytes of the JSON part.")
    if json_scanner.holds_more(body[:length], MOST_VALUES):
        raise too_large()
    faults = Faults()
    try:
        sent = msgspec.json.decode(without_mark(body[:length]), type=_Body)
    except msgspec.ValidationError as error:
        faults.add(*_fault_of(error, ""))
        raise_faults(faults)
        raise
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise not_json(body[:length], error, remedy=_REMEDY) from error
    require_few_tensors(len(sent.inputs), faults)
    inputs, rest = [], memoryview(body)[length:]
    for place, raw in enumerate(sent.inputs):
        at = f"/inputs/{place}"
        try:
            given = msgspec.json.decode(raw, type=_Input)
        except msgspec.ValidationError as error:
            faults.add(*_fault_of(error, at))
            continue
        except (msgspec.DecodeError, ValueError, RecursionError) as error:  # texts in tensors are decoded only here
            raise not_json(bytes(raw), error, remedy=_REMEDY) from error
        size = given.binary_size
        taken, rest = (b"", rest) if size is None else (bytes(rest[:size]), rest[size:])
        if not find_datatype_fault(given.datatype, at, faults):
            tensor = _in_json(given, at, faults) if size is None else _in_binary(given, taken, size, at, faults)
            inputs += [] if tensor is None else [tensor]
    if len(rest) and not faults.bad:
        faults.add("/inputs", f"{len(rest)} bytes follow the last tensor")
    raise_faults(faults)
    outputs = sent.outputs or []
    wanted = {each.name: each.parameters for each in outputs} or dict.fromkeys(every)
    otherwise = (sent.parameters or _NO_PARAMETERS).binary_data_output
    asked = {name: (parameters or _NO_PARAMETERS).binary_data for name, parameters in wanted.items()}
    binary = frozenset(name for name, own in asked.items() if (otherwise if own is None else own))
    return Received(Call(inputs=inputs, outputs=tuple(each.name for each in outputs), id=sent.id or ""), binary)


def write_response(
    model: ModelName, outputs: Sequence[Output], *, request_id: str, binary: Collection[str]
) -> tuple[bytes, int | None]:
    """Return a response, and the length of its JSON part if tensors in `binary` form follow, else None."""
    tensors, behind = [], []
    for output in outputs:
        shape = (len(output.data),)
        if output.name in binary:
            behind.append(to_binary(output.data))
            parameters = {"binary_data_size": len(behind[-1])}
            tensors.append(_Tensor(output.name, output.datatype, shape, parameters=parameters))
        else:
            tensors.append(_Tensor(output.name, output.datatype, shape, data=_json_values(output.data)))
    document = msgspec.json.encode(_Response(model.name, model.version, tensors, request_id))
    return b"".join((document, *behind)), len(document) if behind else None


def _json_values(data: NDArray[np.float64] | list[bytes]) -> list[Any]:
    if isinstance(data, list):
        return [text.decode() for text in data]
    values: list[Any] = data.tolist()
    return values  # msgspec writes NaN as null


def _in_binary(given: _Input, raw: bytes, size: int, at: str, faults: Faults) -> Tensor | None:
    if given.data is not None:
        faults.add(f"{at}/data", "can't be combined with binary_data_size")
    elif len(raw) < size:
        faults.add(f"{at}/parameters/binary_data_size", f"only {len(raw)} bytes are left")
    else:
        try:
            return Tensor(at=at, name=given.name, shape=tuple(given.shape), data=from_binary(raw, given.datatype))
        except ValueError:
            faults.add(f"{at}/parameters/binary_data_size", f"these bytes aren't whole values of {given.datatype}")
    return None


def _in_json(given: _Input, at: str, faults: Faults) -> Tensor | None:
    if given.data is None:
        faults.add(f"{at}/data", "is required")
        return None
    values, width = given.data, None
    if len(values) > MOST_ITEMS and isinstance(values[0], list):
        raise too_many_items()
    if values and all(isinstance(row, list) for row in values):
        if [len(values), *{len(row) for row in values}] != given.shape:
            faults.add(f"{at}/shape", "doesn't match the lists in data")
            return None
        values, width = [value for row in values for value in row], given.shape[1]
    empty: NDArray[np.float64] = np.empty(0)
    tensor = Tensor(at=at, name=given.name, shape=tuple(given.shape), data=empty, width=width)
    found = len(faults.bad)
    data = _numbers(values, tensor, faults) if given.datatype == "FP64" else _texts(values, tensor, faults)
    return None if len(faults.bad) > found else msgspec.structs.replace(tensor, data=data)


def _numbers(values: list[Any], tensor: Tensor, faults: Faults) -> NDArray[np.float64]:
    for place, value in enumerate(values):
        if value is not None and type(value) is not float and (type(value) is not int or abs(value) >= 2**63):
            faults.add(tensor.pointer(place), "expected a finite number, or null if it is missing")
    return np.empty(0) if faults.bad else np.array(values, np.float64)  # None becomes NaN


def _texts(values: list[Any], tensor: Tensor, faults: Faults) -> list[bytes]:
    texts = []
    for place, value in enumerate(values):
        if isinstance(value, str):
            texts.append(value.encode())
        else:
            faults.add(tensor.pointer(place), "expected a string")
    return texts


def _fault_of(error: msgspec.ValidationError, at: str) -> tuple[str, str]:
    """Return the pointer for msgspec's path, such as $.inputs[0].name, and what is wrong."""
    text = str(error)
    found = _PATH.search(text)
    path = re.sub(r"\[(\d+)\]", r"/\1", found[1]).replace(".", "/") if found else ""
    return at + path, _PATH.sub("", text)
