"""Random trees, real boosters, and Shapley values by definition."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from customer_risk.model.features.feature import Feature
from customer_risk.model.scoring.trees import LEAF, Trees

if TYPE_CHECKING:
    from collections.abc import Callable

    import xgboost


@pytest.fixture(scope="session")
def grow() -> Callable[..., Trees]:
    """Grow random trees of any shape: few features and round thresholds, so that paths repeat and values tie."""

    def grown(chance: np.random.Generator, *, trees: int, depth: int, features: int, split: float = 0.8) -> Trees:
        nodes: list[list] = []
        offsets = [0]

        def add(root: int, left_over: int, cover: float) -> int:
            here = len(nodes) - root
            if left_over == 0 or chance.random() > split:
                nodes.append([LEAF, 0.0, False, LEAF, LEAF, chance.normal(), cover])
                return here
            node = [int(chance.integers(features)), float(chance.integers(-2, 3)), bool(chance.integers(2)), 0, 0, 0.0]
            nodes.append([*node, cover])
            part = cover * chance.uniform(0.05, 0.95)
            nodes[root + here][3] = add(root, left_over - 1, part)
            nodes[root + here][4] = add(root, left_over - 1, cover - part)
            return here

        for _ in range(trees):
            add(len(nodes), depth, 100.0)
            offsets.append(len(nodes))
        return _trees(features, float(chance.normal()), offsets, nodes)

    return grown


@pytest.fixture(scope="session")
def vine() -> Callable[[int, int], Trees]:
    """Grow one tree that is a single long branch: `depth` nodes under each other that take `features` in turn."""

    def grown(depth: int, features: int) -> Trees:
        nodes: list[list] = []
        for level in range(depth):
            nodes.append([level % features, 0.0, False, 2 * level + 1, 2 * level + 2, 0.0, 2.0 ** (depth - level)])
            nodes.append([LEAF, 0.0, False, LEAF, LEAF, 1.0 + level, 2.0 ** (depth - level - 1)])
        nodes.append([LEAF, 0.0, False, LEAF, LEAF, -5.0, 1.0])
        return _trees(features, 0.25, [0, len(nodes)], nodes)

    return grown


def _trees(features: int, base: float, offsets: list[int], nodes: list[list]) -> Trees:
    feature, threshold, default_left, left, right, value, cover = zip(*nodes, strict=True)
    return Trees(
        features=features,
        base=base,
        offsets=np.array(offsets, np.int64),
        feature=np.array(feature, np.int32),
        threshold=np.array(threshold, np.float32),
        default_left=np.array(default_left, np.bool_),
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        value=np.array(value, np.float64),
        cover=np.array(cover, np.float64),
    )


@pytest.fixture(scope="session")
def draw() -> Callable[..., np.ndarray]:
    """Draw rows with many values equal to a threshold, and many missing ones."""

    def drawn(chance: np.random.Generator, rows: int, features: int, missing: float = 0.2) -> np.ndarray:
        values = chance.integers(-2, 3, (rows, features)) + chance.choice([0.0, 0.0, 0.25, -0.25], (rows, features))
        values[chance.random(values.shape) < missing] = np.nan
        return values

    return drawn


@pytest.fixture(scope="session")
def shapley_by_definition() -> Callable[[Trees, np.ndarray], np.ndarray]:
    """Return one row's Shapley values by definition, from every coalition of features."""

    def expected(trees: Trees, root: int, node: int, row: np.ndarray, known: frozenset[int]) -> float:
        at = root + node
        if trees.feature[at] == LEAF:
            return float(trees.value[at])
        column = int(trees.feature[at])
        below = (int(trees.left[at]), int(trees.right[at]))
        if column in known:
            value = np.float32(row[column])
            goes_left = bool(trees.default_left[at]) if np.isnan(value) else bool(value < trees.threshold[at])
            return expected(trees, root, below[0] if goes_left else below[1], row, known)
        return sum(
            float(trees.cover[root + child]) / float(trees.cover[at]) * expected(trees, root, child, row, known)
            for child in below
        )

    def values(trees: Trees, row: np.ndarray) -> np.ndarray:
        worth = {
            frozenset(known): sum(expected(trees, int(root), 0, row, frozenset(known)) for root in trees.offsets[:-1])
            for size in range(trees.features + 1)
            for known in combinations(range(trees.features), size)
        }
        count = trees.features
        phi = np.zeros(count)
        for known, value in worth.items():
            for column in set(range(count)) - known:
                weight = factorial(len(known)) * factorial(count - len(known) - 1) / factorial(count)
                phi[column] += weight * (worth[known | {column}] - value)
        return phi

    return values


@pytest.fixture(scope="session")
def boost() -> Callable[..., xgboost.Booster]:
    """Train a real booster on random rows."""
    import xgboost

    def boosted(values: np.ndarray, *, seed: int = 0, rounds: int = 5, **parameters: object) -> xgboost.Booster:
        chance = np.random.default_rng(seed)
        known = np.nan_to_num(values)
        labels = known @ chance.normal(size=known.shape[1]) + chance.normal(size=len(known)) > 0.3
        defaults = {"objective": "binary:logistic", "nthread": 1, "seed": seed, "max_depth": 3, "min_child_weight": 0.1}
        return xgboost.train(defaults | parameters, xgboost.DMatrix(values, labels), num_boost_round=rounds)

    return boosted


@pytest.fixture(scope="session")
def features() -> tuple[Feature, ...]:
    """Three features: an amount and a share that could tip off, and a flag that may be mentioned."""
    money = {
        "group": "amounts",
        "direction": 1,
        "low": 0.0,
        "high": 1e6,
        "missing": "the customer made no transactions",
    }
    shared = {"sources": ("amount",), "formula": "made up"}
    return (
        Feature(
            name="in_sum", code="IN_SUM", unit="EUR", investigator="{value} came in",
            meaning="sum of money that came in",
            customer="The amounts on your account.", **money, **shared,
        ),
        Feature(
            name="passed_share", code="PASSED_SHARE", unit="share", investigator="{value} left again",
            meaning="share of the money in that left again",
            customer="How money moves through your account.", **money, **shared,
        ),
        Feature(
            name="kyc_incomplete", code="KYC_INCOMPLETE", unit="yes/no", tips_off=False,
            investigator="Identity verification is not completed", none="Identity verification is completed",
            meaning="whether identity verification is incomplete",
            customer="Your identity verification is not completed.", **money, **shared,
        ),
    )  # fmt: skip
