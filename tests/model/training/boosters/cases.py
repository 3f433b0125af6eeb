"""Boosters of every kind that XGBoost trains, with XGBoost's own margins and contributions.

`python -m tests.model.training.boosters.cases` saves those of the installed version to `xgboost-VERSION.json` beside
this module. The tests compare every other version with that file.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

FOLDER = Path(__file__).parent
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "base score": {"base_score": 0.03},
    "high base score": {"base_score": 0.999},
    "base score that XGBoost bounds": {"base_score": 1e-7},
    "base score as a vector": {"base_score": [0.7]},
    "forest": {"num_parallel_tree": 3, "colsample_bynode": 0.6, "subsample": 0.7},
    "by leaf": {"grow_policy": "lossguide", "max_depth": 0, "max_leaves": 9},
    "approx": {"tree_method": "approx"},
    "pruned": {"tree_method": "exact", "gamma": 1.0, "max_depth": 5},
    "monotone": {"monotone_constraints": "(1,-1,0,0,0,0)"},
    "interaction": {"interaction_constraints": "[[0,1],[2,3,4]]"},
    "dropout": {"booster": "dart", "rate_drop": 0.4},
    "infinite thresholds": {},
}


def rows() -> np.ndarray:
    """Return 300 rows of six columns with missing values; column 4 is 1 or missing, column 5 is constant."""
    chance = np.random.default_rng(2)
    values = chance.normal(size=(300, 6)).round(3)
    values[:, :4][chance.random((300, 4)) < 0.2] = np.nan
    values[:, 4] = np.where(chance.random(300) < 0.4, 1.0, np.nan)
    values[:, 5] = 3.0
    return values


def asked() -> np.ndarray:
    """Return 30 rows to score: some without the constant, some with the extreme numbers of single precision."""
    values = rows()[:30]
    values[10:20, 5] = np.nan
    values[20:25, 0] = np.finfo(np.float32).max
    values[25:, 1] = np.finfo(np.float32).min
    return values


def grow(case: str) -> xgboost.Booster:
    """Return a case's booster, trained for six rounds."""
    values = rows()
    noise = np.random.default_rng(3).normal(size=len(values)) / 2
    labels = np.nan_to_num(values[:, 0]) + np.isnan(values[:, 4]) - np.isnan(values[:, 1]) / 2 + noise > 0.5
    parameters = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "seed": 3, "verbosity": 0} | CASES[case]
    booster = xgboost.train(parameters, xgboost.DMatrix(values, labels), num_boost_round=6)
    return _with_infinite_thresholds(booster) if case == "infinite thresholds" else booster


def _with_infinite_thresholds(booster: xgboost.Booster) -> xgboost.Booster:
    """Return the booster with every second threshold infinite, of both signs, and missing values sent left or right."""
    model = json.loads(bytes(booster.save_raw("json")))
    inner = [
        (tree, node)
        for tree in model["learner"]["gradient_booster"]["model"]["trees"]
        for node, left in enumerate(tree["left_children"])
        if left >= 0
    ]
    for number, (tree, node) in enumerate(inner[::2]):
        tree["split_conditions"][node] = (np.inf, -np.inf)[number % 2]
        tree["default_left"][node] = (number // 2) % 2
    changed = xgboost.Booster()
    changed.load_model(bytearray(json.dumps(model).encode()))
    return changed


def answers(booster: xgboost.Booster, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return XGBoost's margins[n] and, with the bias in the last column, contributions[n, columns + 1]."""
    matrix = xgboost.DMatrix(values)
    return booster.predict(matrix, output_margin=True), booster.predict(matrix, pred_contribs=True)


def read(path: Path) -> dict[str, tuple[xgboost.Booster, np.ndarray, np.ndarray]]:
    """Return a saved file's cases: the booster, and the margins and contributions of the version that saved it."""
    found = {}
    for case, saved in json.loads(path.read_text(encoding="utf-8")).items():
        booster = xgboost.Booster()
        booster.load_model(bytearray(zlib.decompress(base64.b64decode(saved["ubj"]))))
        found[case] = booster, np.array(saved["margins"]), np.array(saved["contributions"])
    return found


def save() -> None:
    """Write this version's boosters and their answers."""
    saved = {}
    for case in CASES:
        booster = grow(case)
        margins, contributions = answers(booster, asked())
        saved[case] = {
            "ubj": base64.b64encode(zlib.compress(bytes(booster.save_raw("ubj")), 9)).decode(),
            "margins": margins.tolist(),
            "contributions": contributions.round(7).tolist(),
        }
    minor = ".".join(xgboost.__version__.split(".")[:2])
    (FOLDER / f"xgboost-{minor}.json").write_text(json.dumps(saved, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    save()
