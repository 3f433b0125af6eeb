"""Calls every compiled function once with an invented model, so that an image contains the compiled code."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from customer_risk.model.features import catalogue
from customer_risk.model.features.wordings import CURRENT
from customer_risk.model.scoring.action_rule import ActionRule
from customer_risk.model.scoring.bundle import Bundle, Manifest, RiskRate, make_scorer
from customer_risk.model.scoring.calibration import Calibration
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.scoring.model_features import FeatureSettings
from customer_risk.model.scoring.segments import Thresholds
from customer_risk.model.scoring.trees import Packed, Trees
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.kserve.warm_up import take_every_path

_FEATURES: Final = 3


def warm() -> None:
    """Run every code path of a request with an invented model; explain with both methods, and many rows at once."""
    trees = _trees()
    rows = np.zeros((1, _FEATURES))
    Explainer(trees, memory_limit_bytes=0).explain(rows)
    trees.margins(rows)
    service = Service("warm-up")
    service.use(_bundle(trees))
    take_every_path(service)


def _trees() -> Trees:
    """Return two full trees of depth three, so that every loop of the explainer runs."""
    inner, leaves = range(7), range(8)
    each = Packed(
        features=_FEATURES,
        base=0.0,
        offsets=[0, 15],
        feature=[*(i % _FEATURES for i in inner), *(-1 for _ in leaves)],
        threshold=[*(float(i) for i in inner), *(0.0 for _ in leaves)],
        default_left=[*(i % 2 == 0 for i in inner), *(False for _ in leaves)],
        left=[*(2 * i + 1 for i in inner), *(-1 for _ in leaves)],
        right=[*(2 * i + 2 for i in inner), *(-1 for _ in leaves)],
        value=[*(0.0 for _ in inner), *(0.1 * i for i in leaves)],
        cover=[8.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0, *(1.0 for _ in leaves)],
    )
    twice = {name: getattr(each, name) * 2 for name in Packed.__struct_fields__ if name not in {"features", "base"}}
    return Trees.unpack(Packed(features=_FEATURES, base=0.0, **twice | {"offsets": [0, 15, 30]}))


def _bundle(trees: Trees) -> Bundle:
    manifest = Manifest(
        name="warm-up",
        features=catalogue.NAMES[:_FEATURES],
        catalogue_hash=catalogue.catalogue_hash(),
        settings=FeatureSettings(
            lookback_days=catalogue.LOOKBACK_DAYS,
            max_transactions=catalogue.MAX_TRANSACTIONS,
            excluded_types=("MANUAL",),
        ),
        thresholds=Thresholds(medium=0.3, high=0.6),
        calibration=Calibration(1.0, 0.0, 0.0),
        risk_rate=RiskRate(sample=0.1, portfolio=None),
        metrics={},
        explain_method="tables",
        git_commit="",
        data_hash="",
        seed=0,
        threads=1,
        libraries={},
        cpu_family="",
        action_rule=ActionRule(minimum=1, patterns={"VELOCITY_BURST": {"count": 2, "hours": 1_000}}),
        wordings=CURRENT,
    )
    return Bundle(Path(), manifest, "0" * 64, trees, make_scorer(trees, manifest), [])
