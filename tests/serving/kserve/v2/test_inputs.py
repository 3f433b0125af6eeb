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


def test_an_infinity_is_refused_where_it_stands(service) -> None:
    """Infinity never reaches the model; NaN is a missing value."""
    width = len(service.names())
    with pytest.raises(InputError) as caught:
        read_inputs(_inputs(service, [[math.nan] * width, [math.inf, *[1.0] * (width - 1)]]), service)
    assert [each.pointer for each in caught.value.fields] == [f"/inputs/1/data/{width}"]


def test_no_customers_are_no_questions(service) -> None:
    """Tensors of nothing are sound."""
    assert read_inputs(_inputs(service, []), service).questions == []


def test_a_model_of_other_features_ends_the_call(service, monkeypatch) -> None:
    """Values read for one model never go to another that came meanwhile."""
    asked = read_inputs(_inputs(service, [[1.0] * len(service.names())]), service)
    monkeypatch.setattr(service, "names", lambda: ("other",))
    with pytest.raises(NotReady):
        asked.questions[0].ask()


@pytest.mark.parametrize(("raw", "datatype"), [(b"1234567", "FP64"), (b"\x05\x00\x00\x00abc", "BYTES")])
def test_cut_binary_values_are_refused(raw, datatype) -> None:
    """Half a number or half a text is none."""
    with pytest.raises(ValueError, match=r"."):
        from_binary(raw, datatype)


def test_binary_values_come_back() -> None:
    """What is written is read again, empty texts and NaN included."""
    assert from_binary(to_binary([b"", b"ab"]), "BYTES") == [b"", b"ab"]
    np.testing.assert_array_equal(from_binary(to_binary(np.array([1.5, math.nan])), "FP64"), [1.5, math.nan])
