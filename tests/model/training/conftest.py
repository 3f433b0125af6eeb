"""Made-up customers whose label can be learned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.config import Config
    from customer_risk.model.features.frame import FeatureTable
    from customer_risk.model.training.study import Study


class Learnable(NamedTuple):
    """Features and labels of made-up customers."""

    table: FeatureTable
    suspended: NDArray[np.bool_]


@pytest.fixture(scope="session")
def learnable() -> Learnable:
    """150 customers: `signal` and `weak` predict the label; `gaps` has missing values, `same` is constant."""
    from customer_risk.model.features.frame import FeatureTable

    random = np.random.default_rng(5)
    n = 150
    signal = random.normal(size=n)
    suspended = signal + random.normal(scale=0.8, size=n) > 1.0
    gaps = random.normal(size=n)
    gaps[random.random(n) < 0.4] = np.nan
    columns = {
        "signal": signal,
        "weak": suspended + random.normal(scale=2.0, size=n),
        "noise_1": random.normal(size=n),
        "noise_2": random.normal(size=n),
        "gaps": gaps,
        "same": np.ones(n),
    }
    ids = tuple(f"c-{number:04d}" for number in range(n))
    return Learnable(FeatureTable(ids, tuple(columns), np.column_stack(list(columns.values()))), suspended)


@pytest.fixture(scope="session")
def small() -> Config:
    """A configuration that trains in a second or two."""
    import msgspec

    from customer_risk.model.config import load_config

    config = load_config()
    return msgspec.structs.replace(
        config,
        threads=1,
        training=msgspec.structs.replace(config.training, trials=2, members=2, inner_folds=2, resamples=2),
        evaluation=msgspec.structs.replace(config.evaluation, folds=2, repeats=2, bootstraps=60),
    )


@pytest.fixture
def study(learnable, small) -> Study:
    """The study of the made-up customers: one joined per day, the last five have no transaction."""
    from customer_risk.model.evaluation.intervals import make_draws
    from customer_risk.model.training.study import Study

    n = len(learnable.suspended)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return Study(
        table=learnable.table,
        suspended=learnable.suspended,
        joined=tuple(start + timedelta(days=at) if at < n - 5 else None for at in range(n)),
        directions={},
        config=small,
        folds=2,
        draws=make_draws(n, small.evaluation.repeats, draws=40, confidence=0.9, seed=1),
    )
