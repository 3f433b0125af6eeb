"""Reads the inputs of a V2 request: requests as texts, or features as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from customer_risk.model.features.catalogue import NAMES
from customer_risk.serving.contract.answer import Answer
from customer_risk.serving.contract.batch import MOST_ITEMS, too_many_items
from customer_risk.serving.contract.request import GREATEST_NUMBER, RESERVED_ID, CustomerId
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.decisions.validation import Faults
from customer_risk.serving.errors import NotReady
from customer_risk.serving.exchange.all_or_none import Question, raise_faults
from customer_risk.serving.kserve.v2.tensors import Datatype, Tensor, find_shape_fault

REQUEST: Final = "request"
CUSTOMER_ID: Final = "customer_id"
FEATURES: Final = "features"


class Asked(msgspec.Struct, frozen=True):
    """One question for each customer, and the tensor with one value for each of them."""

    questions: list[Question]
    about: Tensor


def read_inputs(tensors: Sequence[Tensor], service: Service) -> Asked:
    """Return the inputs as questions to `service`; raises InputError naming every tensor that can't be used."""
    faults = Faults()
    if any(tensor.shape[0] > MOST_ITEMS for tensor in tensors):
        raise too_many_items()
    by_name = _named(tensors, faults)
    if REQUEST in by_name:
        for name in by_name.keys() - {REQUEST}:
            faults.add(f"{by_name[name].at}/name", f"can't be combined with {REQUEST}")
        raise_faults(faults)
        return _requests(by_name[REQUEST], service)
    names = service.names()
    _find_missing(by_name, names, faults)
    raise_faults(faults)
    ids = by_name[CUSTOMER_ID]
    columns = _whole(by_name[FEATURES], names, faults) if FEATURES in by_name else _single(by_name, names)
    for name, tensor in by_name.items():
        if tensor.shape[0] != ids.shape[0]:
            faults.add(f"{tensor.at}/shape", f"has {tensor.shape[0]} customers, but {CUSTOMER_ID} has {len(ids.data)}")
        if name != CUSTOMER_ID:
            for place in np.flatnonzero(np.abs(np.asarray(tensor.data)) > GREATEST_NUMBER).tolist():
                faults.add(tensor.pointer(place), "must be a number from -1e15 to 1e15, or NaN if it is missing")
    customers = [_identifier(value, ids.pointer(place), faults) for place, value in enumerate(_texts(ids))]
    raise_faults(faults)
    rows = np.column_stack(columns) if len(columns) > 1 else columns[0].reshape(len(customers), len(names))
    return Asked([_values_question(service, names, *each) for each in zip(customers, rows, strict=True)], ids)


def _requests(tensor: Tensor, service: Service) -> Asked:
    def ask(body: bytes, at: str) -> Question:
        return Question(lambda: service.answer(body, at=at), len(body))

    return Asked([ask(body, tensor.pointer(place)) for place, body in enumerate(_texts(tensor))], tensor)


def _values_question(
    service: Service, names: tuple[str, ...], customer_id: str, values: NDArray[np.float64]
) -> Question:
    row = np.ascontiguousarray(values)

    def ask() -> Answer:
        if service.names() != names:  # a bundle with other features was loaded during this call
            raise NotReady("The model changed during this call.", remedy="Send it again.")
        return service.answer_values(customer_id, row)

    return Question(ask, row.nbytes)


def _named(tensors: Sequence[Tensor], faults: Faults) -> dict[str, Tensor]:
    """Return the tensors by name; raises InputError naming every invalid one."""
    counts = Counter(tensor.name for tensor in tensors)
    sound = {}
    for tensor in tensors:
        if tensor.name not in {REQUEST, CUSTOMER_ID, FEATURES} and tensor.name not in NAMES:
            faults.add(f"{tensor.at}/name", "unknown input")
        elif counts[tensor.name] > 1:
            faults.add(f"{tensor.at}/name", "occurs more than once")
        elif tensor.datatype != (wanted := datatype_of(tensor.name)):
            faults.add(f"{tensor.at}/datatype", f"expected {wanted}; got {tensor.datatype}")
        elif not find_shape_fault(tensor, faults):
            if tensor.name != FEATURES and not (len(tensor.shape) == 1 or tensor.shape[1:] == (1,)):
                faults.add(f"{tensor.at}/shape", "expected [n] or [n, 1], one value for each customer")
            sound[tensor.name] = tensor
    raise_faults(faults)
    return sound


def datatype_of(name: str) -> Datatype:
    """Return the datatype of an input by its name."""
    return "BYTES" if name in {REQUEST, CUSTOMER_ID} else "FP64"


def _find_missing(by_name: dict[str, Tensor], names: tuple[str, ...], faults: Faults) -> None:
    if CUSTOMER_ID not in by_name:
        faults.add("/inputs", f"expected a tensor {REQUEST}, or {CUSTOMER_ID} together with features")
    if FEATURES in by_name:
        for name in by_name.keys() - {FEATURES, CUSTOMER_ID}:
            faults.add(f"{by_name[name].at}/name", f"can't be combined with {FEATURES}")
    else:
        for name in names:
            if name not in by_name:
                faults.add("/inputs", f"the model requires a tensor {name}; send NaN if it is missing")


def _whole(tensor: Tensor, names: tuple[str, ...], faults: Faults) -> list[NDArray[np.float64]]:
    values = np.asarray(tensor.data)
    if len(tensor.shape) != 2 or tensor.shape[1] != len(names):
        faults.add(f"{tensor.at}/shape", f"expected [n, {len(names)}], the model's features in order")
    raise_faults(faults)
    return [values.reshape(tensor.shape)]


def _single(by_name: dict[str, Tensor], names: tuple[str, ...]) -> list[NDArray[np.float64]]:
    return [np.asarray(by_name[name].data) for name in names]


def _texts(tensor: Tensor) -> list[bytes]:
    return tensor.data if isinstance(tensor.data, list) else []


def _identifier(value: bytes, at: str, faults: Faults) -> str:
    try:
        return msgspec.convert(value.decode(), CustomerId)
    except (UnicodeDecodeError, msgspec.ValidationError):
        faults.add(at, f'expected 1 to 128 characters in UTF-8, other than "{RESERVED_ID}"')
        return ""
