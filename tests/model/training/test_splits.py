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
@given(
    labels=st.lists(st.booleans(), min_size=20, max_size=80),
    folds=st.integers(2, 5),
    seed=st.integers(0, 1000),
)
def test_every_customer_is_tested_once_and_labels_are_level(labels, folds, seed):
    """Each customer is in exactly one test part, and the parts' suspended and other customers differ by one at most."""
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
    """Customers of one group never stand on both sides."""
    suspended = np.arange(60) % 4 == 0
    groups = [number // 3 for number in range(60)]
    for fold in splits.customer_folds(_customers(60), suspended, folds=4, seed=1, groups=groups):
        assert not {groups[at] for at in fold.train} & {groups[at] for at in fold.test}


def test_seed_decides_the_deal():
    """The same seed deals the same folds, another seed others."""
    suspended = np.arange(50) % 5 == 0
    first, again, other = (
        splits.customer_folds(_customers(50), suspended, folds=5, seed=seed)[0].test.tolist() for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_repeats_deal_anew():
    """Each repeat deals the customers in another way."""
    suspended = np.arange(50) % 5 == 0
    dealt = list(splits.repeated_folds(_customers(50), suspended, folds=5, repeats=3, seed=0))
    assert len({tuple(parts[0].test.tolist()) for parts in dealt}) == 3


def test_rows_cannot_be_split():
    """The splitting functions ask for customers, and none takes a frame, an array of rows or a number of rows."""
    for function in (splits.customer_folds, splits.repeated_folds):
        assert next(iter(inspect.signature(function).parameters)) == "customers"


def test_repeated_customer_is_refused():
    """A customer on two rows is refused by name, since the rows could fall on both sides."""
    with pytest.raises(LeakError, match="c-3"):
        splits.customer_folds([*_customers(20), "c-3"], np.arange(21) % 2 == 0, folds=2, seed=0)


def test_labels_that_do_not_match_are_refused():
    """As many labels as customers are wanted."""
    with pytest.raises(LeakError, match="don't match"):
        splits.customer_folds(_customers(5), np.array([True, False]), folds=2, seed=0)


def test_overlap_is_refused_by_name():
    """A customer on both sides is named."""
    with pytest.raises(LeakError, match="both sides of a split: b"):
        splits.refuse_overlap(["a", "b"], ["b", "c"])


def test_one_fold_is_refused():
    """One fold leaves nothing to train on."""
    with pytest.raises(EmptyTable, match="1 folds"):
        splits.customer_folds(_customers(10), np.arange(10) % 2 == 0, folds=1, seed=0)


def test_too_few_suspended_are_refused():
    """A fold without a suspended customer could measure nothing."""
    with pytest.raises(LabelError, match="2 suspended"):
        splits.customer_folds(_customers(30), np.arange(30) < 2, folds=3, seed=0)


@pytest.mark.parametrize(("positives", "expected"), [(48, 5), (10, 5), (8, 4), (6, 3), (4, 2)])
def test_fewer_folds_for_few_suspended(positives, expected):
    """The number of folds falls until every test part has two suspended customers."""
    assert splits.possible_folds(np.arange(100) < positives, 5) == expected


def test_what_is_left_to_learn_limits_the_folds():
    """A training side is left with as many of each kind as asked for, or the split is refused."""
    assert splits.possible_folds(np.arange(100) < 6, 5, to_learn=4) == 3
    with pytest.raises(LabelError, match="5 suspended"):
        splits.possible_folds(np.arange(100) < 5, 5, to_learn=4)
