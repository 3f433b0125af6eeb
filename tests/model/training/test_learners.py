"""The learners."""

from __future__ import annotations

import numpy as np
import pytest

from customer_risk.model.features.frame import FeatureTable
from customer_risk.model.training.learners import Boosted
from customer_risk.model.training.tuning import FIXED, START

MEMBER = {**FIXED, **START, "keep": 3, "rounds": 4}


def test_the_margin_is_the_mean_of_the_members(learnable):
    """The margin of merged boosters is the mean of their margins."""
    members = (MEMBER, {**MEMBER, "max_depth": 2})
    merged = Boosted(members).fit(*learnable, 3)
    ranked = ("signal", "weak", "gaps", "noise_1", "noise_2")
    one = Boosted((members[0],)).fit_ranked(*learnable, ranked, 3)
    assert merged.names == Boosted(members).fit_ranked(*learnable, merged.names, 3).names
    both = Boosted((members[0], members[0])).fit_ranked(*learnable, ranked, 3)
    assert both.margins(learnable.table) == pytest.approx(one.margins(learnable.table), abs=0.6)
    assert len(both.booster.get_dump()) == 2 * len(one.booster.get_dump())


def test_only_the_best_ranked_features_are_taken(learnable):
    """The model keeps the requested number of features, in the order of the table."""
    model = Boosted((MEMBER,)).fit_ranked(*learnable, ("gaps", "signal", "weak", "noise_1"), 1)
    assert model.names == ("signal", "weak", "gaps")


def test_a_member_that_keeps_fewer_splits_on_fewer(learnable):
    """A member that keeps one feature splits on the best-ranked feature only."""
    narrow, wide = {**MEMBER, "keep": 1}, {**MEMBER, "keep": 3}
    model = Boosted((narrow, wide)).fit_ranked(*learnable, ("weak", "signal", "gaps"), 1)
    trees = model.booster.get_dump()
    assert not any("signal" in tree or "gaps" in tree for tree in trees[: len(trees) // 2])
    assert any("signal" in tree for tree in trees[len(trees) // 2 :])


def test_margins_respect_the_directions(learnable):
    """A feature with the direction +1 never lowers the margin."""
    model = Boosted((MEMBER,), {"signal": 1, "noise_1": 1}).fit_columns(*learnable, 2)
    rows = np.tile(np.nanmedian(learnable.table.values, axis=0), (50, 1))
    for name in ("signal", "noise_1"):
        moved = rows.copy()
        moved[:, learnable.table.names.index(name)] = np.linspace(-4, 4, 50)
        margins = model.margins(FeatureTable(tuple(map(str, range(50))), learnable.table.names, moved))
        assert (np.diff(margins) >= 0).all()


def test_the_seed_decides_every_bit(learnable):
    """The same seed gives the same bytes, another seed others."""
    first, again, other = (
        bytes(Boosted((MEMBER,)).fit(*learnable, seed).booster.save_raw("ubj")) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_exact_columns_are_kept(learnable):
    """Fitting on given columns uses all of them in their order, including a constant one."""
    model = Boosted((MEMBER,)).fit_columns(*learnable, 1)
    assert model.names == learnable.table.names
