"""Trees as arrays."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from customer_risk.model.errors import BundleError
from customer_risk.model.scoring.trees import Trees


@pytest.fixture
def trees(grow) -> Trees:
    """Ten trees, at least one of them with two levels."""
    return grow(np.random.default_rng(3), trees=10, depth=3, features=4)


def test_trees_are_the_same_after_json_to_the_bit(trees):
    """Reading what was written gives the same arrays, and writing them again the same bytes."""
    written = trees.dumps()
    read = Trees.loads(written)
    for field in fields(Trees):
        np.testing.assert_array_equal(getattr(read, field.name), getattr(trees, field.name))
    assert read.dumps() == written


def test_margins_are_the_base_and_a_leaf_of_each_tree(trees, draw):
    """A missing value goes the default way, a value on the threshold goes right."""
    for row in draw(np.random.default_rng(1), 50, 4):
        margin = trees.base
        for root in trees.offsets[:-1]:
            node = root
            while trees.feature[node] >= 0:
                value = row[trees.feature[node]]
                left = trees.default_left[node] if np.isnan(value) else value < trees.threshold[node]
                node = root + (trees.left[node] if left else trees.right[node])
            margin += trees.value[node]
        assert trees.margins(row[None])[0] == margin


def test_length_is_the_number_of_trees(trees):
    """`len` counts trees, not nodes."""
    assert len(trees) == 10


def _changed(name: str, place: int, value: float):
    def change(trees: Trees) -> dict:
        array = getattr(trees, name).copy()
        inner = int(np.flatnonzero(trees.feature >= 0)[0])
        array[inner if place < 0 else place] = value
        return {name: array}

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_changed("offsets", 0, 1), "offsets don't match"),
        (_changed("offsets", 1, 0), "offsets don't match"),
        (lambda t: {"offsets": t.offsets[:-1]}, "offsets don't match"),
        (lambda t: {"value": t.value[:-1]}, "different lengths"),
        (_changed("feature", -1, 4), "a feature outside the model's 4"),
        (_changed("feature", -1, -2), "a feature outside the model's 4"),
        (_changed("left", -1, 0), "don't come after it"),
        (_changed("right", -1, 999), "don't come after it"),
        (lambda t: {"right": np.where(t.feature >= 0, t.left, t.right).astype(np.int32)}, "exactly one parent"),
        (_changed("feature", -1, -1), "don't come after it"),
        (_changed("threshold", -1, np.nan), "threshold that isn't finite"),
        (_changed("threshold", -1, -np.inf), "threshold that isn't finite"),
        (_changed("value", -1, np.inf), "a number that isn't finite"),
        (lambda _: {"base": float("nan")}, "a number that isn't finite"),
        (_changed("cover", -1, 0), "no training weight"),
        (_changed("cover", 0, -1), "no training weight"),
    ],
)
def test_arrays_that_do_not_form_trees_are_refused(trees, change, said):
    """Arrays with which compiled code would leave its bounds or never end are refused."""
    with pytest.raises(BundleError, match=said):
        replace(trees, **change(trees))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"features": "two"}', b"\xff"])
def test_other_json_than_trees_is_refused(data):
    """The message says that it isn't trees and what to do."""
    with pytest.raises(BundleError, match=r"not the JSON of trees.*customer-risk train"):
        Trees.loads(data)
