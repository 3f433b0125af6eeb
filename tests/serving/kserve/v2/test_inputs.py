"""Questions read from tensors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from customer_risk.model.errors import InputError
from customer_risk.serving.errors import NotReady
from customer_risk.serving.kserve.v2.inputs import read_inputs
from customer_risk.serving.kserve.v2.tensors import Tensor, from_binary, to_binary


def _inputs(service, rows):
    values = np.array(rows, np.float64).reshape(len(rows), len(service.names()))
    ids = [f"c-{place}".encode() for place in range(len(rows))]
    return [
        Tensor(at="/inputs/0", name="customer_id", shape=(len(rows),), data=ids),
        Tensor(at="/inputs/1", name="features", shape=values.shape, data=values.ravel()),
    ]


def test_an_infinite_value_is_refused(service) -> None:
    """An infinity is refused; NaN is a missing value."""
    width = len(service.names())
    with pytest.raises(InputError) as caught:
        read_inputs(_inputs(service, [[math.nan] * width, [math.inf, *[1.0] * (width - 1)]]), service)
    assert [each.pointer for each in caught.value.fields] == [f"/inputs/1/data/{width}"]


def test_empty_tensors_are_valid(service) -> None:
    """Empty tensors are valid."""
    assert read_inputs(_inputs(service, []), service).questions == []


def test_values_for_another_model_are_refused(service, monkeypatch) -> None:
    """Values that were read for one model are refused if another model was loaded meanwhile."""
    asked = read_inputs(_inputs(service, [[1.0] * len(service.names())]), service)
    monkeypatch.setattr(service, "names", lambda: ("other",))
    with pytest.raises(NotReady):
        asked.questions[0].ask()


@pytest.mark.parametrize(("raw", "datatype"), [(b"1234567", "FP64"), (b"\x05\x00\x00\x00abc", "BYTES")])
def test_incomplete_binary_values_are_refused(raw, datatype) -> None:
    """An incomplete number or text is refused."""
    with pytest.raises(ValueError, match=r"."):
        from_binary(raw, datatype)


def test_written_binary_values_are_read_unchanged() -> None:
    """Written values are read again unchanged, empty texts and NaN included."""
    assert from_binary(to_binary([b"", b"ab"]), "BYTES") == [b"", b"ab"]
    np.testing.assert_array_equal(from_binary(to_binary(np.array([1.5, math.nan])), "FP64"), [1.5, math.nan])
