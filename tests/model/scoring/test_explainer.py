"""Exact reasons are compared with the definition, with XGBoost and with themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.errors import FeatureError
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.training.export import trees_from_booster

METHODS = pytest.mark.parametrize("limit", [2**26, 0], ids=["tables", "paths"])


@METHODS
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(0, 6), count=st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_contributions_are_shapley_values_by_definition(grow, draw, shapley_by_definition, limit, seed, depth, count):
    """Contributions are Shapley values by definition, also with missing values, repeated features and ties."""
    chance = np.random.default_rng(seed)
    trees = grow(chance, trees=2, depth=depth, features=count)
    row = draw(chance, 1, count)
    _, contributions = Explainer(trees, memory_limit_bytes=limit).explain(row)
    np.testing.assert_allclose(contributions[0], shapley_by_definition(trees, row[0]), atol=1e-12)


@pytest.mark.compiled
@given(
    seed=st.integers(0, 2**32 - 1),
    depth=st.integers(1, 8),
    count=st.integers(1, 12),
    missing=st.sampled_from([0.0, 0.2, 0.7]),
    decimals=st.sampled_from([0, 1, 6]),
)
@settings(deadline=None, max_examples=40)
def test_contributions_equal_xgboosts(boost, seed, depth, count, missing, decimals):
    """On random boosters, contributions and bias are `pred_contribs` within 1e-5 and probabilities within 1e-6."""
    chance = np.random.default_rng(seed)
    values = chance.normal(size=(300, count)).round(decimals)  # few decimals: thresholds fall on values
    values[chance.random(values.shape) < missing] = np.nan
    booster = boost(values, seed=seed % 1000, rounds=6, max_depth=depth, base_score=float(chance.uniform(0.05, 0.95)))
    rows = values[:60]
    expected = booster.predict(xgboost.DMatrix(rows), pred_contribs=True)
    probabilities = booster.predict(xgboost.DMatrix(rows))
    for limit in (2**26, 0):  # by tables, by paths
        explainer = Explainer(trees_from_booster(booster), memory_limit_bytes=limit)
        margins, contributions = explainer.explain(rows)
        np.testing.assert_allclose(contributions, expected[:, :-1], atol=1e-5)
        np.testing.assert_allclose(explainer.bias, expected[:, -1], atol=1e-5)
        np.testing.assert_allclose(1 / (1 + np.exp(-margins)), probabilities, atol=1e-6)


@METHODS
def test_bias_and_contributions_are_the_margin_to_the_bit(grow, draw, limit):
    """Bias and contributions, added in the columns' order, are the margin to the bit."""
    chance = np.random.default_rng(4)
    explainer = Explainer(grow(chance, trees=15, depth=4, features=5), memory_limit_bytes=limit)
    margins, contributions = explainer.explain(draw(chance, 30, 5))
    for margin, row in zip(margins, contributions, strict=True):
        total = explainer.bias
        for contribution in row:
            total += contribution
        assert total == margin


@METHODS
def test_margins_equal_those_of_the_trees(grow, draw, limit):
    """The margins of the explanation are those of the trees, except for rounding."""
    chance = np.random.default_rng(8)
    trees = grow(chance, trees=15, depth=4, features=5)
    rows = draw(chance, 40, 5)
    explainer = Explainer(trees, memory_limit_bytes=limit)
    np.testing.assert_allclose(explainer.margins(rows), trees.margins(rows), atol=1e-12)


@pytest.mark.compiled
@METHODS
def test_a_row_alone_and_in_a_batch_gives_the_same_bits(grow, draw, limit):
    """A row has the same bits alone and in a batch that is longer than a block."""
    chance = np.random.default_rng(9)
    explainer = Explainer(grow(chance, trees=30, depth=4, features=7), memory_limit_bytes=limit)
    rows = draw(chance, 1100, 7)
    margins, contributions = explainer.explain(rows)
    for place in (0, 1, 511, 512, 777, 1099):
        margin, contribution = explainer.explain(rows[place : place + 1])
        assert margin[0] == margins[place]
        np.testing.assert_array_equal(contribution[0], contributions[place])


@pytest.mark.compiled
def test_threads_change_no_bit_of_the_contributions(grow, draw):
    """Rows divided among threads have the same bits."""
    chance = np.random.default_rng(10)
    explainer = Explainer(grow(chance, trees=60, depth=5, features=7))
    rows = draw(chance, 4000, 7)
    _, whole = explainer.explain(rows)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda part: explainer.explain(part)[1], np.array_split(rows, 16)))
    np.testing.assert_array_equal(np.vstack(parts), whole)


@METHODS
def test_trees_of_a_single_leaf_add_to_the_bias_alone(grow, limit):
    """Trees of a single leaf add only to the bias."""
    trees = grow(np.random.default_rng(0), trees=3, depth=0, features=2)
    explainer = Explainer(trees, memory_limit_bytes=limit)
    margins, contributions = explainer.explain(np.array([[1.0, np.nan]]))
    assert (contributions == 0).all()
    assert margins[0] == explainer.bias == pytest.approx(trees.base + trees.value.sum())


@METHODS
def test_no_rows_give_no_results(grow, limit):
    """An array without rows gives results without rows."""
    explainer = Explainer(grow(np.random.default_rng(0), trees=3, depth=2, features=2), memory_limit_bytes=limit)
    margins, contributions = explainer.explain(np.empty((0, 2)))
    assert margins.shape == (0,)
    assert contributions.shape == (0, 2)


def test_a_value_is_compared_in_single_precision(vine):
    """Values are compared in single precision, as in XGBoost."""
    explainer = Explainer(vine(1, 1))
    below, on = explainer.margins(np.array([[-1e-30], [-1e-60]]))  # -1e-60 is 0 in single precision
    assert below == pytest.approx(1.25)
    assert on == pytest.approx(-4.75)


def test_paths_are_used_if_tables_exceed_the_memory_limit(grow, draw):
    """With one byte less than the tables need, paths give the same answers."""
    chance = np.random.default_rng(11)
    trees = grow(chance, trees=5, depth=5, features=6)
    tables = Explainer(trees)
    bound = tables.table_bytes
    assert tables.method == "tables"
    assert Explainer(trees, memory_limit_bytes=bound).method == "tables"
    paths = Explainer(trees, memory_limit_bytes=bound - 1)
    assert paths.method == "paths"
    rows = draw(chance, 30, 6)
    np.testing.assert_allclose(paths.explain(rows)[1], tables.explain(rows)[1], atol=1e-13)


def test_a_branch_of_forty_nodes_is_explained_exactly(vine, draw, shapley_by_definition):
    """Paths explain a branch with repeated features whose tables would need terabytes."""
    trees = vine(40, 4)
    explainer = Explainer(trees)
    assert explainer.method == "paths"
    for row in draw(np.random.default_rng(12), 10, 4):
        np.testing.assert_allclose(explainer.explain(row[None])[1][0], shapley_by_definition(trees, row), atol=1e-12)


def test_a_branch_of_forty_features_adds_up(vine, draw):
    """Forty features on one path lose no precision."""
    trees = vine(40, 40)
    rows = draw(np.random.default_rng(13), 20, 40)
    margins, _ = Explainer(trees).explain(rows)
    np.testing.assert_allclose(margins, trees.margins(rows), atol=1e-11)


@pytest.mark.compiled
def test_any_memory_layout_gives_the_same_results(grow, draw):
    """Any memory layout and single precision give the same answers without another compilation."""
    from customer_risk.model.scoring.shap_tables import explain_by_tables

    chance = np.random.default_rng(14)
    explainer = Explainer(grow(chance, trees=5, depth=3, features=3))
    rows = draw(chance, 10, 3)
    expected = explainer.explain(rows)[1]
    compiled = len(explain_by_tables.signatures)
    frozen = rows.copy()
    frozen.flags.writeable = False
    for other in (np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2], frozen, rows.astype(np.float32)):
        np.testing.assert_array_equal(explainer.explain(other)[1], expected)
    assert len(explain_by_tables.signatures) == compiled


@pytest.mark.parametrize("shape", [(3,), (2, 2), (2, 4), (1, 3, 1)])
def test_rows_of_another_width_are_refused(grow, shape):
    """The message says how many features the model takes."""
    explainer = Explainer(grow(np.random.default_rng(0), trees=1, depth=2, features=3))
    with pytest.raises(FeatureError, match="rows of 3 features"):
        explainer.explain(np.zeros(shape))
