"""Tensors of V2 over HTTP and gRPC, and their binary form."""

from __future__ import annotations

import math
import struct
from typing import Final, Literal

import msgspec
import numpy as np
from kserve.protocol.infer_type import serialize_byte_tensor
from numpy.typing import NDArray

from customer_risk.model.errors import InputError
from customer_risk.model.features.catalogue import NAMES
from customer_risk.serving.contract.batch import MOST_ITEMS, too_many_items
from customer_risk.serving.decisions.validation import Faults
from customer_risk.serving.errors import BodyTooLarge

Datatype = Literal["FP64", "BYTES"]
DATATYPES: Final = ("FP64", "BYTES")
_MOST_TENSORS: Final = len(NAMES) + 1  # one for each feature, and one for the customer ids
MOST_VALUES: Final = (
    2 * (_MOST_TENSORS + 1) * MOST_ITEMS
)  # twice the number of values, since JSON adds lists and members
_LENGTH: Final = struct.Struct("<I")


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """An input at the pointer `at`: `data` is float64[...] for FP64 and texts for BYTES, flat in row-major order.

    `width` is the length of the inner lists if its JSON was nested.
    """

    at: str
    name: str
    shape: tuple[int, ...]
    data: NDArray[np.float64] | list[bytes]
    width: int | None = None

    @property
    def datatype(self) -> Datatype:
        """The datatype of its values."""
        return "BYTES" if isinstance(self.data, list) else "FP64"

    def pointer(self, place: int) -> str:
        """Return the pointer to a value by its index among all."""
        within = f"{place}" if self.width is None else f"{place // self.width}/{place % self.width}"
        return f"{self.at}/data/{within}"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A V2 request: its inputs, the names of wanted `outputs` (empty: all), and the `id` to echo."""

    inputs: list[Tensor]
    outputs: tuple[str, ...] = ()
    id: str = ""


def require_few_tensors(count: int, faults: Faults) -> None:
    """Raise InputError if there are more inputs than any model takes."""
    if count > _MOST_TENSORS:
        faults.add("/inputs", f"expected at most {_MOST_TENSORS} tensors; got {count:,}")
        raise InputError(tuple(faults.bad))


def too_large() -> BodyTooLarge:
    """Return the error for a call with more values than a valid call can have."""
    return BodyTooLarge(
        f"The call has more than {MOST_VALUES:,} values.", remedy=f"Send at most {MOST_ITEMS:,} customers at a time."
    )


def find_datatype_fault(datatype: str, at: str, faults: Faults) -> bool:
    """Add a fault if no input has this datatype; return whether there is a fault."""
    if datatype in DATATYPES:
        return False
    faults.add(f"{at}/datatype", "expected FP64 or BYTES")
    return True


def find_shape_fault(tensor: Tensor, faults: Faults) -> bool:
    """Add a fault if the shape doesn't match the number of values; return whether there is a fault."""
    count = len(tensor.data)
    if math.prod(tensor.shape) == count:
        return False
    faults.add(f"{tensor.at}/shape", f"doesn't match the {count} values in data")
    return True


def from_binary(raw: bytes, datatype: str) -> NDArray[np.float64] | list[bytes]:
    """Return values: FP64 as 8 bytes each, little-endian; BYTES as a length of 4 bytes and the text.

    Raises ValueError for an incomplete value, and BodyTooLarge for more than MOST_ITEMS texts.
    """
    if datatype == "FP64":
        return np.frombuffer(raw, "<f8").astype(np.float64, copy=False)
    texts: list[bytes] = []
    at = 0
    while at < len(raw):
        if len(texts) == MOST_ITEMS:
            raise too_many_items()
        begin = at + _LENGTH.size
        if begin > len(raw):
            raise ValueError("a length ends beyond the tensor")
        at = begin + _LENGTH.unpack_from(raw, begin - _LENGTH.size)[0]
        if at > len(raw):
            raise ValueError("a text ends beyond the tensor")
        texts.append(raw[begin:at])
    return texts


def to_binary(values: NDArray[np.float64] | list[bytes]) -> bytes:
    """Return values in the form that `from_binary` reads."""
    if not isinstance(values, list):
        return values.astype("<f8").tobytes()
    if not values:
        return b""
    texts = np.empty(len(values), object)
    texts[:] = values
    raw: bytes = serialize_byte_tensor(texts).item()
    return raw
