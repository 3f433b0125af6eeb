"""Trees cut into subtrees with tables."""

from __future__ import annotations

import numpy as np
import pytest

from customer_risk.model.scoring import shap_tables as tables
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.scoring.paths import paths_of


@pytest.fixture
def trees(grow):
    """Trees of many shapes."""
    return grow(np.random.default_rng(5), trees=12, depth=5, features=6)


def test_each_inner_node_is_upper_or_in_one_subtree(trees):
    """Each inner node is an upper node or in one subtree."""
    cuts = tables.cut(trees)
    nodes = [node for one in cuts for node in one.uppers]
    nodes += [node for one in cuts for subtree in one.subtrees for node in subtree.inner]
    assert sorted(nodes) == np.flatnonzero(trees.feature >= 0).tolist()


def test_subtrees_are_at_most_two_nodes_high(trees):
    """A subtree has at most three inner nodes."""
    cuts = tables.cut(trees)
    assert max(len(subtree.inner) for one in cuts for subtree in one.subtrees) == 3


def test_announced_memory_equals_that_of_the_tables(trees):
    """The announced memory is that of the tables."""
    cuts = tables.cut(trees)
    assert tables.table_bytes(cuts) == tables.build(trees, paths_of(trees), cuts).table.nbytes


def test_blocks_make_no_difference(trees, draw, monkeypatch):
    """One block for each tree and one block for all give the same contributions, except for rounding."""
    rows = draw(np.random.default_rng(2), 20, 6)
    together = Explainer(trees).explain(rows)
    monkeypatch.setattr(tables, "BLOCK_BYTES", 1)
    apart = Explainer(trees).explain(rows)
    np.testing.assert_allclose(apart[0], together[0], atol=1e-13)
    np.testing.assert_allclose(apart[1], together[1], atol=1e-13)
