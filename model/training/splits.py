"""Splits of customers. They are by customer id, so a customer's rows are never on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.errors import EmptyTable, LabelError, LeakError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of customers (int64, ascending) to train on and to test on."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def customer_folds(
    customers: Sequence[str],
    suspended: NDArray[np.bool_],
    *,
    folds: int,
    seed: int,
    groups: Sequence[Hashable] | None = None,
) -> tuple[Fold, ...]:
    """Divide customers into `folds` parts with similar shares of suspended customers; each part tests one fold.

    customers  n unique ids; suspended  bool[n]; groups  n keys: customers with the same key (such as a household) are
    in the same part. Raises LeakError if a customer is repeated, EmptyTable or LabelError if there are too few.
    """
    _refuse_repeated(customers)
    keys = customers if groups is None else groups
    if not len(customers) == len(suspended) == len(keys):
        raise LeakError(
            f"{len(customers)} customers, {len(suspended)} labels and {len(keys)} groups don't match.",
            remedy="Pass one label (and one group) per customer.",
        )
    number = {key: place for place, key in enumerate(sorted(set(keys), key=repr))}
    group = np.array([number[key] for key in keys], dtype=np.int64)
    positives = np.bincount(group, weights=suspended, minlength=len(number)).astype(np.int64)
    if folds < 2 or len(number) < folds:
        raise EmptyTable(
            f"{len(number)} customers (or groups of customers) can't be divided into {folds} folds.",
            remedy="Use more customers, or set evaluation.folds and training.inner_folds to 2 or more.",
        )
    if min(int((positives > 0).sum()), int((~suspended).sum())) < folds:
        raise LabelError(
            f"{int((positives > 0).sum())} suspended and {int((~suspended).sum())} other customers are too few for "
            f"{folds} folds with both labels in each.",
            remedy="Use more labelled customers or fewer folds.",
        )
    part = _deal(np.bincount(group, minlength=len(number)), positives, folds, np.random.default_rng(seed))[group]
    return tuple(_fold(customers, part == number) for number in range(folds))


def repeated_folds(
    customers: Sequence[str],
    suspended: NDArray[np.bool_],
    *,
    folds: int,
    repeats: int,
    seed: int,
    groups: Sequence[Hashable] | None = None,
) -> Iterator[tuple[Fold, ...]]:
    """Yield `customer_folds` for each of `repeats` seeds derived from `seed`."""
    for repeat in range(repeats):
        yield customer_folds(customers, suspended, folds=folds, seed=seed + 1009 * repeat, groups=groups)


def possible_folds(suspended: NDArray[np.bool_], wanted: int, *, to_learn: int = 2) -> int:
    """Return the greatest number of folds, at most `wanted`, that leaves enough of both labels on both sides.

    Each test side has at least two suspended and two other customers, each training side at least `to_learn` of each.
    Raises LabelError if even two folds are impossible.
    """
    fewest = min(int(suspended.sum()), int((~suspended).sum()))
    for folds in range(wanted, 1, -1):
        if fewest // folds >= 2 and fewest - -(-fewest // folds) >= to_learn:
            return folds
    raise LabelError(
        f"{int(suspended.sum())} suspended and {int((~suspended).sum())} other customers are too few to train and test "
        "on different customers.",
        remedy="Use tables with at least six customers of each label. A useful model needs about a hundred of each.",
    )


def refuse_overlap(train: Sequence[str], test: Sequence[str]) -> None:
    """Raise LeakError naming customers who are on both sides, or twice on one side."""
    _refuse_repeated(train)
    _refuse_repeated(test)
    both = sorted(set(train) & set(test))
    if both:
        raise LeakError(
            f"{len(both)} customers are on both sides of a split: {_some(both)}.",
            remedy="Split by customer, with model.training.splits.customer_folds.",
        )


def _refuse_repeated(customers: Sequence[str]) -> None:
    if len(set(customers)) == len(customers):
        return
    seen: set[str] = set()
    repeated = sorted({one for one in customers if one in seen or seen.add(one)})  # type: ignore[func-returns-value]
    raise LeakError(
        f"{len(repeated)} customers to split are repeated: {_some(repeated)}.",
        remedy="Pass one row per customer; repeated rows could be on both sides.",
    )


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _fold(customers: Sequence[str], held: NDArray[np.bool_]) -> Fold:
    fold = Fold(np.flatnonzero(~held), np.flatnonzero(held))
    refuse_overlap([customers[i] for i in fold.train], [customers[i] for i in fold.test])
    return fold


def _deal(
    sizes: NDArray[np.int64], positives: NDArray[np.int64], folds: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return each group's part. Groups with most suspended customers, then the largest, go to the smallest part."""
    order = random.permutation(len(sizes))
    order = order[np.lexsort((-sizes[order], -positives[order]))]
    part = np.empty(len(sizes), dtype=np.int64)
    held = [(0, 0, int(place)) for place in random.permutation(folds)]  # suspended, customers, part
    for one in order:
        by = 0 if positives[one] else 1  # balance suspended customers first, then all customers
        fewest = min(range(folds), key=lambda at: held[at][by:])
        suspended, customers, place = held[fewest]
        part[one] = place
        held[fewest] = (suspended + int(positives[one]), customers + int(sizes[one]), place)
    return part
