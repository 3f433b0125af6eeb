"""The export of XGBoost models."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xgboost

from customer_risk.model.errors import BundleError
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.training.export import merge_boosters, trees_from_booster
from tests.model.training.boosters import cases


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """300 rows of five features, a tenth of them missing."""
    chance = np.random.default_rng(2)
    values = chance.normal(size=(300, 5))
    values[chance.random(values.shape) < 0.1] = np.nan
    return values


@pytest.fixture
def train(values):
    """Train a booster on those rows."""

    def trained(seed: int = 0, rounds: int = 6, columns: int = 5, names=None, **parameters) -> xgboost.Booster:
        rows = values[:, :columns]
        labels = np.nan_to_num(rows).sum(axis=1) + np.random.default_rng(seed).normal(size=len(rows)) > 0.5
        matrix = xgboost.DMatrix(rows, parameters.pop("labels", labels), feature_names=names)
        defaults = {
            "objective": "binary:logistic",
            "max_depth": 3,
            "nthread": 1,
            "seed": seed,
            "subsample": 0.7,
            "verbosity": 0,
        }
        return xgboost.train(defaults | parameters, matrix, num_boost_round=rounds)

    return trained


def _margins(booster: xgboost.Booster, values: np.ndarray) -> np.ndarray:
    return booster.predict(xgboost.DMatrix(values, feature_names=booster.feature_names), output_margin=True)


def _assert_equal(booster: xgboost.Booster, margins: np.ndarray, contributions: np.ndarray) -> None:
    """Assert that a booster's trees give XGBoost's margins and contributions, by both algorithms."""
    trees, values = trees_from_booster(booster), cases.asked()
    # XGBoost adds leaves in single precision: its own rounding grows with the margin.
    np.testing.assert_allclose(trees.margins(values), margins, atol=1e-6, rtol=1e-6)
    for limit in (2**26, 0):
        explainer = Explainer(trees, memory_limit_bytes=limit)
        ours, reasons = explainer.explain(values)
        np.testing.assert_allclose(ours, margins, atol=1e-6, rtol=1e-6)
        np.testing.assert_allclose(reasons, contributions[:, :-1], atol=1e-5)
        np.testing.assert_allclose(explainer.bias, contributions[:, -1], atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*booster=dart.*deprecated")
@pytest.mark.parametrize("case", cases.CASES)
def test_trees_give_the_boosters_margins_and_contributions(case):
    """The trees give the installed XGBoost's margins within 1e-6 and contributions within 1e-5, for every case."""
    booster = cases.grow(case)
    _assert_equal(booster, *cases.answers(booster, cases.asked()))


@pytest.mark.filterwarnings("ignore:.*booster=dart.*deprecated")
@pytest.mark.parametrize("case", cases.CASES)
@pytest.mark.parametrize("version", ["3.2", "3.4"])
def test_trees_of_another_versions_booster_give_that_versions_answers(version, case):
    """A booster saved by XGBoost 3.2 or 3.4 has the same margins and contributions, whichever version is installed."""
    installed = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
    booster, margins, contributions = cases.read(cases.FOLDER / f"xgboost-{version}.json")[case]
    if case == "dropout" and version == "3.4" and installed < (3, 3):
        # XGBoost before 3.3 ignores the weights that 3.4 writes, so its own answers are wrong.
        theirs, _ = cases.answers(booster, cases.asked())
        assert np.abs(theirs - margins).max() > 0.1
        return
    _assert_equal(booster, margins, contributions)


def test_every_margin_is_the_exact_sum_of_the_leaves(train, values):
    """With 300 trees, margins differ from XGBoost's only by XGBoost's rounding in single precision."""
    booster = train(rounds=300)
    leaves = booster.predict(xgboost.DMatrix(values), pred_leaf=True).astype(int)
    trees = _trees(booster)
    weights = np.array([[trees[at]["split_conditions"][leaf] for at, leaf in enumerate(row)] for row in leaves])
    exported = trees_from_booster(booster)
    np.testing.assert_allclose(exported.margins(values), exported.base + weights.sum(axis=1), atol=1e-12)


def test_infinite_thresholds_are_replaced_and_nan_is_refused(train):
    """Infinite thresholds become finite, so that trees.json stays JSON; a threshold that is not a number is refused."""
    booster = cases.grow("infinite thresholds")
    assert np.isfinite(json.loads(trees_from_booster(booster).dumps())["threshold"]).all()
    model = json.loads(bytes(train().save_raw("json")))
    model["learner"]["gradient_booster"]["model"]["trees"][0]["split_conditions"][0] = float("nan")
    broken = xgboost.Booster()
    broken.load_model(bytearray(json.dumps(model).encode()))
    with pytest.raises(BundleError, match="threshold that isn't finite"):
        trees_from_booster(broken)


def test_pruned_nodes_are_left_out(train):
    """Nodes that pruning removed are not exported."""
    booster = train(tree_method="exact", gamma=2.0, max_depth=6)
    reachable = sum(len(json.loads(dump)) and dump.count('"nodeid"') for dump in booster.get_dump(dump_format="json"))
    trees = trees_from_booster(booster)
    assert len(trees.feature) == reachable
    kept = sum(len(tree["left_children"]) for tree in _trees(booster))
    assert kept > reachable


def _trees(booster: xgboost.Booster) -> list:
    return json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]["trees"]


def test_a_merged_booster_gives_the_mean_margin(train, values):
    """The margin of a merged booster is the mean of the boosters' margins, whatever their sizes and bases."""
    boosters = [train(seed, 3 + seed, base_score=0.1 + 0.2 * seed, num_parallel_tree=1 + seed) for seed in range(3)]
    mean = np.mean([_margins(booster, values) for booster in boosters], axis=0)
    np.testing.assert_allclose(_margins(merge_boosters(boosters), values), mean, atol=2e-6)


@pytest.mark.filterwarnings("ignore:.*booster=dart.*deprecated")
def test_merging_keeps_the_weights_that_dropout_gave_to_trees():
    """The weights of trees are multiplied into the leaves, so that every version of XGBoost reads them."""
    booster = cases.grow("dropout")
    merged = merge_boosters([booster, cases.grow("plain")])
    mean = np.mean([cases.answers(each, cases.asked())[0] for each in (booster, cases.grow("plain"))], axis=0)
    np.testing.assert_allclose(cases.answers(merged, cases.asked())[0], mean, atol=2e-6)
    inside = json.loads(bytes(merged.save_raw("json")))["learner"]["gradient_booster"]["model"]
    assert set(inside.get("weight_drop", ())) <= {1.0}


def test_a_merged_booster_and_its_trees_agree_on_margins_and_reasons(train, values):
    """model.ubj and trees.json give the same margins."""
    merged = merge_boosters([train(seed) for seed in range(4)])
    loaded = xgboost.Booster(model_file=bytearray(merged.save_raw("ubj")))
    margins, contributions = Explainer(trees_from_booster(merged)).explain(values)
    expected = loaded.predict(xgboost.DMatrix(values), pred_contribs=True)
    np.testing.assert_allclose(margins, _margins(loaded, values), atol=1e-6)
    np.testing.assert_allclose(contributions, expected[:, :-1], atol=1e-5)


def test_one_booster_merged_is_itself(train, values):
    """A single booster isn't changed."""
    booster = train()
    np.testing.assert_array_equal(_margins(merge_boosters([booster]), values), _margins(booster, values))


def test_merging_keeps_the_features_names(train):
    """The merged booster keeps the names of its features."""
    names = ["a", "b", "c", "d", "e"]
    assert merge_boosters([train(0, names=names), train(1, names=names)]).feature_names == names


def test_the_merged_booster_has_no_best_round(train):
    """The merged booster has no best round."""
    booster = train()
    booster.set_attr(best_iteration="1")
    assert merge_boosters([booster, train(1)]).attributes() == {}


def test_merging_is_the_same_to_the_byte_each_time(train):
    """The same boosters give the same bytes."""
    boosters = [train(seed) for seed in range(3)]
    assert merge_boosters(boosters).save_raw("ubj") == merge_boosters(boosters).save_raw("ubj")


def test_merging_does_not_change_the_boosters(train, values):
    """Merging doesn't change the boosters."""
    boosters = [train(seed) for seed in range(2)]
    before = [_margins(booster, values) for booster in boosters]
    merge_boosters(boosters)
    np.testing.assert_array_equal([_margins(booster, values) for booster in boosters], before)


def test_boosters_of_different_columns_are_not_merged(train):
    """Boosters with different features can't be merged."""
    with pytest.raises(BundleError, match="different features"):
        merge_boosters([train(columns=5), train(columns=4)])


def test_merging_no_boosters_is_refused():
    """Merging no boosters is refused."""
    with pytest.raises(BundleError, match="no booster to merge"):
        merge_boosters([])


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"booster": "gblinear", "subsample": 1.0}, "kind gblinear"),
        ({"objective": "reg:squarederror"}, "objective reg:squarederror"),
        ({"objective": "binary:logitraw"}, "objective binary:logitraw"),
    ],
)
def test_other_kinds_of_model_are_refused(train, parameters, said):
    """Boosters without exact reasons are refused."""
    parameters = {"max_depth": 3} | parameters
    with pytest.raises(BundleError, match=said):
        trees_from_booster(train(**parameters))


def test_several_outputs_are_refused(train, values):
    """A booster with several outputs is refused."""
    labels = (np.nan_to_num(values[:, :2]) > 0).astype(float)
    with pytest.raises(BundleError, match="2 outputs"):
        trees_from_booster(train(labels=labels))


def test_a_booster_without_a_tree_is_refused(train):
    """A booster without trees is refused."""
    with pytest.raises(BundleError, match="without a tree"):
        trees_from_booster(train(rounds=0))


def test_categorical_splits_are_refused():
    """Categorical splits are refused."""
    values = np.random.default_rng(0).integers(0, 6, (200, 1)).astype(float)
    matrix = xgboost.DMatrix(values, values[:, 0] % 2, feature_types=["c"], enable_categorical=True)
    booster = xgboost.train({"objective": "binary:logistic", "max_cat_to_onehot": 1, "nthread": 1}, matrix, 2)
    with pytest.raises(BundleError, match="categorical splits"):
        trees_from_booster(booster)
