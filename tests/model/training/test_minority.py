"""Few suspended customers: weights, repeated rows, invented rows."""

from __future__ import annotations

import numpy as np
import pytest

from customer_risk.model.training.minority import balanced


@pytest.fixture
def rows():
    """Eight active and two suspended customers."""
    values = np.arange(20, dtype=float).reshape(10, 2)
    values[3, 1] = np.nan
    return values, np.arange(10) >= 8


def test_full_weights_level_both_classes(rows):
    """With full weights both labels have the same total weight, and no row changes."""
    values, labels, weight = balanced(*rows, "full", 0)
    assert values is rows[0]
    assert weight * labels.sum() == (~labels).sum()


def test_mild_weights_are_the_square_root(rows):
    """The mild weight is the square root of the full one."""
    assert balanced(*rows, "mild", 0)[2] == pytest.approx(balanced(*rows, "full", 0)[2] ** 0.5)


def test_without_weights_nothing_changes(rows):
    """Without weights, rows and labels stay and weigh 1."""
    values, labels, weight = balanced(*rows, "none", 0)
    assert values is rows[0]
    assert labels is rows[1]
    assert weight == 1


def test_repeated_rows_are_suspended_customers(rows):
    """Rows of suspended customers are repeated until both labels have the same number."""
    values, labels, _ = balanced(*rows, "repeat", 0)
    assert labels.sum() == (~labels).sum() == 8
    originals = {tuple(row) for row in rows[0][8:].tolist()}
    assert all(tuple(row) in originals for row in values[10:].tolist())


def test_invented_rows_lie_between_suspended_customers(rows):
    """Every invented value is between those of two suspended customers."""
    values, labels, _ = balanced(*rows, "invent", 0)
    assert labels.sum() == 8
    low, high = rows[0][8:].min(axis=0), rows[0][8:].max(axis=0)
    assert ((values[10:] >= low) & (values[10:] <= high)).all()


def test_one_suspended_customer_is_repeated():
    """A single suspended customer has no neighbour, so its row is repeated."""
    values = np.arange(8, dtype=float).reshape(4, 2)
    made, labels, _ = balanced(values, np.arange(4) == 3, "invent", 0)
    assert labels.sum() == 3
    assert (made[4:] == values[3]).all()


def test_invented_rows_keep_missing_values():
    """A value that is missing in one of two neighbours is missing in the invented row."""
    values = np.array([[1.0, np.nan], [2.0, 5.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    made, _, _ = balanced(values, np.array([True, True, False, False, False]), "invent", 0)
    assert np.isnan(made[5:, 1]).all()
