"""Exports XGBoost models to a bundle: merges boosters into one, and returns their trees as arrays."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost

from customer_risk.model.errors import BundleError
from customer_risk.model.scoring.trees import LEAF, Trees

if TYPE_CHECKING:
    from collections.abc import Sequence

WEIGHTS = "weight_drop"  # XGBoost's name for the trees' weights
LOWEST = float(np.finfo(np.float32).min)


def trees_from_booster(booster: xgboost.Booster) -> Trees:
    """Return the trees of a tree booster (`gbtree`, `dart`) with objective `binary:logistic`.

    All trees are exported; slice the booster (`booster[:n]`) to leave out the trees after the best round. Raises
    BundleError for another kind of booster, categorical splits, more than one output, or a threshold that is NaN.
    """
    model = _model(booster)
    parts: dict[str, list[Any]] = {
        name: [] for name in ("feature", "threshold", "default_left", "left", "right", "value", "cover")
    }
    offsets = [0]
    for tree in _gbtree(model)["trees"]:
        _append(tree, parts)
        offsets.append(len(parts["feature"]))
    return Trees(
        features=int(model["learner"]["learner_model_param"]["num_feature"]),
        base=_base_margin(model),
        offsets=np.array(offsets, np.int64),
        feature=np.array(parts["feature"], np.int32),
        threshold=np.array(parts["threshold"], np.float32),
        default_left=np.array(parts["default_left"], np.bool_),
        left=np.array(parts["left"], np.int32),
        right=np.array(parts["right"], np.int32),
        value=np.array(parts["value"], np.float64),
        cover=np.array(parts["cover"], np.float64),
    )


def merge_boosters(boosters: Sequence[xgboost.Booster]) -> xgboost.Booster:
    """Return one booster whose margin is the mean of the boosters' margins (bagging).

    It has all trees, with their leaves divided by the number of boosters. Raises BundleError without boosters, or if
    the boosters differ in kind or features.
    """
    models = [_model(booster) for booster in boosters]
    if not models:
        raise BundleError("There is no booster to merge.", remedy="Pass at least one.")
    shapes = {
        (m["learner"]["learner_model_param"]["num_feature"], tuple(m["learner"]["feature_names"])) for m in models
    }
    if len(shapes) > 1:
        raise BundleError("The boosters to merge have different features.", remedy="Fit them on the same columns.")
    merged = models[0]
    trees = [tree for model in models for tree in _gbtree(model)["trees"]]
    for number, tree in enumerate(trees):
        tree["id"] = number
        _scale(tree, 1 / len(models))
    base = sum(_base_margin(model) for model in models) / len(models)
    inside = _gbtree(merged)
    inside["trees"] = trees
    inside["tree_info"] = [0] * len(trees)
    inside["iteration_indptr"] = list(range(len(trees) + 1))
    inside["gbtree_model_param"] |= {"num_trees": str(len(trees)), "num_parallel_tree": "1"}
    if WEIGHTS in inside:
        inside[WEIGHTS] = [1.0] * len(trees)
    merged["learner"]["learner_model_param"]["base_score"] = f"[{1 / (1 + math.exp(-base)):.9E}]"
    merged["learner"]["attributes"] = {}  # the best round of one booster doesn't apply to the merged booster
    booster = xgboost.Booster()
    booster.load_model(bytearray(json.dumps(merged).encode()))
    return booster


def _model(booster: xgboost.Booster) -> dict[str, Any]:
    """Return the booster's JSON document with each tree's weight multiplied into its leaves."""
    model: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))
    learner = model["learner"]
    kind = learner["gradient_booster"]["name"]
    if kind == "dart":  # before XGBoost 3.3, a separate booster that contains a gbtree
        learner["gradient_booster"] |= {"name": "gbtree", "model": learner["gradient_booster"].pop("gbtree")["model"]}
        _gbtree(model)[WEIGHTS] = learner["gradient_booster"].pop(WEIGHTS)
    elif kind != "gbtree":
        raise _unfit(f"a booster of kind {kind}")
    if learner["objective"]["name"] != "binary:logistic":
        raise _unfit(f"a booster with the objective {learner['objective']['name']}")
    trees = _gbtree(model)["trees"]
    if not trees:
        raise _unfit("a booster without a tree")
    if any(tree["categories_nodes"] for tree in trees):
        raise _unfit("a booster with categorical splits")
    # Dropout gives each tree a weight. XGBoost before 3.3 writes no weights for `gbtree`.
    weights = _gbtree(model).get(WEIGHTS, [1.0] * len(trees))
    if len(weights) != len(trees):  # XGBoost before 3.3 slices the trees and keeps all weights, or fewer
        raise _unfit(f"a booster of {len(trees)} trees with {len(weights)} weights")
    for tree, weight in zip(trees, weights, strict=True):
        _scale(tree, weight)
    return model


def _scale(tree: dict[str, Any], weight: float) -> None:
    """Multiply the tree's leaves by a weight, in single precision as XGBoost does."""
    for node, left in enumerate(tree["left_children"]):
        if left == LEAF:
            leaf = float(np.float32(tree["split_conditions"][node] * weight))
            tree["split_conditions"][node] = tree["base_weights"][node] = leaf


def _gbtree(model: dict[str, Any]) -> dict[str, Any]:
    inside: dict[str, Any] = model["learner"]["gradient_booster"]["model"]
    return inside


def _base_margin(model: dict[str, Any]) -> float:
    """Return the base margin. XGBoost stores a probability in single precision, since 3.1 in a list ("[5E-1]")."""
    base = json.loads(model["learner"]["learner_model_param"]["base_score"])
    if isinstance(base, list):
        if len(base) != 1:
            raise _unfit(f"a booster with {len(base)} outputs")
        base = base[0]
    one, least = np.float32(1), np.float32(1e-6)  # XGBoost's own bounds, in its precision
    probability = np.clip(np.float32(base), least, one - least)
    return float(-np.log(one / probability - one))


def _append(tree: dict[str, Any], parts: dict[str, list[Any]]) -> None:
    """Add one tree's nodes, from the root down and left before right, without nodes that pruning removed."""
    _bound(tree)
    order: list[int] = []
    waiting = [0]
    while waiting:
        node = waiting.pop()
        order.append(node)
        if tree["left_children"][node] != LEAF:
            waiting += [tree["right_children"][node], tree["left_children"][node]]
    place = {node: number for number, node in enumerate(order)} | {LEAF: LEAF}
    for node in order:
        leaf = tree["left_children"][node] == LEAF
        number = tree["split_conditions"][node]
        parts["feature"].append(LEAF if leaf else tree["split_indices"][node])
        parts["threshold"].append(0.0 if leaf else number)
        parts["default_left"].append(not leaf and bool(tree["default_left"][node]))
        parts["left"].append(place[tree["left_children"][node]])
        parts["right"].append(place[tree["right_children"][node]] if not leaf else LEAF)
        parts["value"].append(float(np.float32(number)) if leaf else 0.0)
        parts["cover"].append(float(np.float32(tree["sum_hessian"][node])))


def _bound(tree: dict[str, Any]) -> None:
    """Replace the tree's infinite thresholds by finite ones that send each row the same way.

    Since XGBoost 3.3, a split that separates missing values from all numbers has the threshold -inf. No number is
    below -inf, and no number is below the lowest number of single precision. Every number is below +inf, so a
    threshold of +inf is the same as -inf with the children exchanged. The replacement is needed because JSON has no
    infinity, and because the tables compare a missing value as an infinite one.
    """
    children = tree["left_children"], tree["right_children"]
    for node, threshold in enumerate(tree["split_conditions"]):
        if children[0][node] == LEAF or not math.isinf(threshold):
            continue
        tree["split_conditions"][node] = LOWEST
        if threshold > 0:
            children[0][node], children[1][node] = children[1][node], children[0][node]
            tree["default_left"][node] = 1 - tree["default_left"][node]


def _unfit(what: str) -> BundleError:
    return BundleError(
        f"The model is {what}, for which exact reasons can't be computed.",
        remedy="Train a tree booster with the objective binary:logistic on numbers.",
    )
