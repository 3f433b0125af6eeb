"""KServe's V2 protocol on the wire (Open Inference Protocol), as far as this service supports it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

_Name = Annotated[str, Meta(description="the tensor's name")]
_Shape = Annotated[
    list[Annotated[int, Meta(ge=0)]],
    Meta(description="its dimensions; the first one is the number of customers", min_length=1, max_length=2),
]
_Kind = Annotated[
    Literal["FP64", "BYTES"], Meta(description="FP64 for numbers, BYTES for texts and JSON objects as texts")
]
_Values = Annotated[list[Any], Meta(description="its values, row by row")]
_Identifier = Annotated[str, Meta(description="the request's name, echoed")] | UnsetType
_Parameters = dict[str, Any] | UnsetType


class Tensor(msgspec.Struct, kw_only=True):
    """A named array."""

    name: _Name
    shape: _Shape
    datatype: _Kind
    data: _Values
    parameters: _Parameters = UNSET


class Wanted(msgspec.Struct, kw_only=True):
    """A wanted output."""

    name: _Name


class InferenceRequest(msgspec.Struct, kw_only=True):
    """Requests as one BYTES tensor `request` of JSON objects, or features with a BYTES tensor `customer_id`.

    Features are FP64 tensors by name, or one tensor `features` with one column for each, in the model's order.
    """

    inputs: Annotated[list[Tensor], Meta(min_length=1)]
    id: _Identifier = UNSET
    parameters: _Parameters = UNSET
    outputs: Annotated[list[Wanted], Meta(description="the wanted outputs; all if left out")] | UnsetType = UNSET


class InferenceResponse(msgspec.Struct, kw_only=True):
    """Tensors: `probability` FP64, and BYTES `segment`, `action` and `answer` (JSON as /ai/v1/risk returns it)."""

    model_name: str
    outputs: list[Tensor]
    model_version: str | UnsetType = UNSET
    id: _Identifier = UNSET
    parameters: _Parameters = UNSET
