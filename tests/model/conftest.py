"""A real bundle, small enough to train in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def write_tiny_bundle(synthetic: Path) -> Callable[..., str]:
    """Train a few shallow trees on the synthetic tables and write them as a bundle; gives its version.

    `seed` makes bundles that differ; `medium` and `high` are the thresholds on the probability.
    """
    import msgspec
    import numpy as np
    import polars as pl
    import xgboost

    from customer_risk.model.config import load_config
    from customer_risk.model.features.catalogue import LOOKBACK_DAYS, MAX_TRANSACTIONS, catalogue_hash, default_names
    from customer_risk.model.features.frame import encode_frame, feature_table
    from customer_risk.model.features.kernel.compute import DEFAULTS
    from customer_risk.model.features.wordings import CURRENT
    from customer_risk.model.scoring.bundle import Manifest, RiskRate, dumps_resamples, make_scorer, write_bundle
    from customer_risk.model.scoring.calibration import Calibration
    from customer_risk.model.scoring.freezing import freeze
    from customer_risk.model.scoring.golden import cpu_family
    from customer_risk.model.scoring.golden_answers import golden_rows
    from customer_risk.model.scoring.model_features import FeatureSettings
    from customer_risk.model.scoring.segments import Thresholds
    from customer_risk.model.tables.cleaning import load_cohort
    from customer_risk.model.training.export import trees_from_booster

    cohort = load_cohort(synthetic, "labelled")
    encoded = encode_frame(pl.DataFrame(cohort.customers), pl.DataFrame(cohort.events))
    rule = freeze(load_config().corroboration, encoded, DEFAULTS)
    names = default_names()
    values = feature_table(cohort.customers, cohort.events).select(names).values
    labels = cohort.customers["suspended"].to_numpy().astype(float)

    def fit(seed: int, rows: np.ndarray) -> xgboost.Booster:
        matrix = xgboost.DMatrix(values[rows], labels[rows], feature_names=list(names))
        parameters = {"objective": "binary:logistic", "max_depth": 2, "eta": 0.3, "nthread": 1, "seed": seed}
        return xgboost.train(parameters | {"subsample": 0.8}, matrix, num_boost_round=12)

    def write(
        folder: Path, *, seed: int = 0, medium: float = 0.15, high: float = 0.4, name: str = "customer-risk"
    ) -> str:
        random = np.random.default_rng(seed)
        everyone = np.arange(len(labels))
        booster = fit(seed, everyone)
        resamples = tuple(
            trees_from_booster(fit(seed + draw, random.choice(everyone, len(everyone)))) for draw in range(1, 6)
        )
        manifest = Manifest(
            name=name,
            features=names,
            catalogue_hash=catalogue_hash(),
            settings=FeatureSettings(
                lookback_days=LOOKBACK_DAYS, max_transactions=MAX_TRANSACTIONS, excluded_types=("MANUAL",)
            ),
            thresholds=Thresholds(medium, high),
            calibration=Calibration(),
            risk_rate=RiskRate(sample=float(labels.mean()), portfolio=None),
            metrics={},
            explain_method="tables",
            git_commit="0" * 40,
            data_hash="0" * 64,
            seed=seed,
            threads=1,
            libraries={"xgboost": xgboost.__version__},
            cpu_family=cpu_family(),
            action_rule=rule,
            wordings=CURRENT,
        )
        trees = trees_from_booster(booster)
        files = {
            "model.ubj": bytes(booster.save_raw("ubj")),
            "trees.json": trees.dumps(),
            "resamples.json": dumps_resamples(resamples),
            "reference.json": b"{}",
            "golden.json": msgspec.json.encode(
                golden_rows(make_scorer(trees, manifest), manifest.settings, [({}, [])])
            ),
        }
        return write_bundle(folder, manifest, files)

    return write


@pytest.fixture(scope="session")
def tiny_bundle(write_tiny_bundle: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that nobody may change."""
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    write_tiny_bundle(folder)
    return folder
