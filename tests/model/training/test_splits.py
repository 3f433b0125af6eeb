"""Splits of customers."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.errors import EmptyTable, LabelError, LeakError
from customer_risk.model.training import splits


def _customers(n: int) -> list[str]:
    return [f"c-{number}" for number in range(n)]


@settings(max_examples=40, deadline=None)
@given(labels=st.lists(st.booleans(), min_size=20, max_size=80), folds=st.integers(2, 5), seed=st.integers(0, 1000))
def test_every_customer_is_tested_once_and_labels_are_balanced(labels, folds, seed):
    """Each customer is in one test part, and the parts' counts of each label differ by at most one."""
    suspended = np.array(labels)
    if min(suspended.sum(), (~suspended).sum()) < folds:
        return
    dealt = splits.customer_folds(_customers(len(labels)), suspended, folds=folds, seed=seed)
    assert sorted(np.concatenate([fold.test for fold in dealt]).tolist()) == list(range(len(labels)))
    positives = [int(suspended[fold.test].sum()) for fold in dealt]
    sizes = [len(fold.test) for fold in dealt]
    assert max(positives) - min(positives) <= 1
    assert max(sizes) - min(sizes) <= 1
    for fold in dealt:
        assert not set(fold.train.tolist()) & set(fold.test.tolist())


def test_groups_stay_together():
    """Customers of one group are never on both sides."""
    suspended = np.arange(60) % 4 == 0
    groups = [number // 3 for number in range(60)]
    for fold in splits.customer_folds(_customers(60), suspended, folds=4, seed=1, groups=groups):
        assert not {groups[at] for at in fold.train} & {groups[at] for at in fold.test}


def test_the_seed_decides_the_folds():
    """The same seed gives the same folds, another seed others."""
    suspended = np.arange(50) % 5 == 0
    first, again, other = (
        splits.customer_folds(_customers(50), suspended, folds=5, seed=seed)[0].test.tolist() for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_repeats_have_different_folds():
    """Each repeat has other folds."""
    suspended = np.arange(50) % 5 == 0
    dealt = list(splits.repeated_folds(_customers(50), suspended, folds=5, repeats=3, seed=0))
    assert len({tuple(parts[0].test.tolist()) for parts in dealt}) == 3


def test_rows_cannot_be_split():
    """The splitting functions take customer ids, not frames or numbers of rows."""
    for function in (splits.customer_folds, splits.repeated_folds):
        assert next(iter(inspect.signature(function).parameters)) == "customers"


@pytest.mark.parametrize(
    ("customers", "suspended", "folds", "error", "message"),
    [
        ([*_customers(20), "c-3"], np.arange(21) % 2 == 0, 2, LeakError, "c-3"),
        (_customers(5), np.array([True, False]), 2, LeakError, "don't match"),
        (_customers(10), np.arange(10) % 2 == 0, 1, EmptyTable, "1 folds"),
        (_customers(30), np.arange(30) < 2, 3, LabelError, "2 suspended"),
    ],
    ids=["repeated customer", "labels of other customers", "one fold", "fewer suspended customers than folds"],
)
def test_impossible_folds_are_refused(customers, suspended, folds, error, message):
    """Repeated customers, another number of labels, one fold and too few suspended customers are refused."""
    with pytest.raises(error, match=message):
        splits.customer_folds(customers, suspended, folds=folds, seed=0)


def test_overlap_is_refused_by_name():
    """A customer on both sides is named."""
    with pytest.raises(LeakError, match="both sides of a split: b"):
        splits.refuse_overlap(["a", "b"], ["b", "c"])


@pytest.mark.parametrize(("positives", "expected"), [(48, 5), (10, 5), (8, 4), (6, 3), (4, 2)])
def test_fewer_folds_for_few_suspended(positives, expected):
    """The number of folds is reduced until every test part has two suspended customers."""
    assert splits.possible_folds(np.arange(100) < positives, 5) == expected


def test_the_minimum_of_training_customers_limits_the_folds():
    """Each training side has at least `to_learn` customers of each label, or the split is refused."""
    assert splits.possible_folds(np.arange(100) < 6, 5, to_learn=4) == 3
    with pytest.raises(LabelError, match="5 suspended"):
        splits.possible_folds(np.arange(100) < 5, 5, to_learn=4)
