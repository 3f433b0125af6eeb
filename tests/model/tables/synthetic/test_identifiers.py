"""Random UUIDs, by the million."""

from __future__ import annotations

import uuid

import numpy as np

from customer_risk.model.tables.synthetic.identifiers import uuids


def test_they_are_uuids() -> None:
    """Python's own reader takes each for a random UUID, and none repeats."""
    made = uuids(np.random.default_rng(1), 500)
    assert all(str(uuid.UUID(text)) == text for text in made)
    assert {uuid.UUID(text).version for text in made} == {4}
    assert {uuid.UUID(text).variant for text in made} == {uuid.RFC_4122}
    assert made.n_unique() == 500


def test_they_are_the_generators() -> None:
    """The same seed gives the same ids, and more of them begin with those."""
    few, many = uuids(np.random.default_rng(1), 3), uuids(np.random.default_rng(1), 9)
    assert many[:3].equals(few)


def test_none() -> None:
    """No ids are an empty column of text."""
    assert uuids(np.random.default_rng(1), 0).to_list() == []
