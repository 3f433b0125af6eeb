"""The Python API: `customer_risk.check`, `train`, `score`, `explain`, `features` and the classifier."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import customer_risk
from customer_risk import RiskClassifier
from customer_risk.model.errors import BadField, ConfigError, InputError, SignOffError


@pytest.fixture(scope="module")
def labelled(synthetic) -> pl.DataFrame:
    """The features of the labelled synthetic customers."""
    return customer_risk.features(synthetic)


def _split(frame: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
    return frame.drop("customer_id", "suspended"), frame["suspended"].to_numpy()


def test_every_function_takes_folders_as_text(tmp_path, bundle) -> None:
    """Tables that are made in a folder named by a string can be checked, scored and explained by that name."""
    tables = str(tmp_path / "tables")
    customer_risk.synthesize(tables, customers=60, seed=1)
    assert customer_risk.check(tables).passed
    customer = customer_risk.score(str(bundle), tables).table["customer_id"][0]
    assert customer in str(customer_risk.explain(str(bundle), tables, customer))
    assert customer_risk.features(tables, "unlabelled").height == 60


def test_results_show_themselves_in_one_line(synthetic, bundle) -> None:
    """The `repr` of a check, a bundle, scores and an explanation is one short line."""
    loaded = customer_risk.load_bundle(str(bundle))
    scored = customer_risk.score(loaded, str(synthetic))
    explained = customer_risk.explain(bundle, synthetic, scored.table["customer_id"][0])
    shown = {name: repr(one) for name, one in (("b", loaded), ("s", scored), ("e", explained))}
    assert shown["b"] == f"Bundle('customer-risk', version {loaded.version[:16]}, 10 features)"
    assert shown["s"].startswith("ScoringResult(400 customers: ")
    assert shown["e"].startswith(f"Explanation({explained.dossier.customer_id}: {explained.dossier.segment}, ")
    assert repr(customer_risk.check(synthetic)) == "CheckResult(passed=True, 89 rules hold, 0 fail, 0 failing rows)"
    assert all("\n" not in text and len(text) < 120 for text in shown.values())
    assert scored.run is None


def test_scores_are_those_of_the_lists(synthetic, bundle, tmp_path) -> None:
    """With a folder, `score` returns the table that it writes, and the run's record."""
    scored = customer_risk.score(bundle, synthetic, str(tmp_path / "lists"))
    assert pl.read_parquet(tmp_path / "lists" / "scores.parquet").equals(scored.table)
    assert scored.run is not None
    assert scored.run.bundle == scored.bundle.version


@pytest.mark.parametrize("out", ["file/lists", "file/some/lists"])
def test_a_folder_below_a_file_is_refused(synthetic, bundle, tmp_path, out) -> None:
    """A run can't be written below a file; this is said before anything is scored."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"can't be made: .*file is a file"):
        customer_risk.score(bundle, synthetic, tmp_path / out)


def test_an_unknown_cohort_is_refused(synthetic, bundle) -> None:
    """The message lists the cohorts."""
    for call in (customer_risk.features, lambda tables, cohort: customer_risk.score(bundle, tables, cohort=cohort)):
        with pytest.raises(ConfigError, match=r"'new' is not a cohort\. Use labelled or unlabelled"):
            call(synthetic, "new")


def test_one_earlier_run_may_be_given_without_a_list(synthetic, bundle, tmp_path) -> None:
    """A single folder is one folder, not a sequence of letters."""
    with pytest.raises(SignOffError, match=f"{tmp_path} has no sign-off"):
        customer_risk.score(bundle, synthetic, earlier=str(tmp_path))


def test_a_negative_seed_is_refused(tmp_path) -> None:
    """The message has the seed, and no table is written."""
    with pytest.raises(ConfigError, match="The seed -1 is negative"):
        customer_risk.synthesize(tmp_path / "tables", customers=10, seed=-1)
    assert not (tmp_path / "tables").exists()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"config": {"colour": "blue"}}, "the configuration: .*colour"),
        ({"config": {"corroboration": {"minimum": 2}}}, "the configuration differs from the action rule"),
        ({"mapping": {"colour": "blue"}}, "mapping: .*colour"),
    ],
)
def test_dicts_are_checked_as_files_are(synthetic, bundle, given, named) -> None:
    """A dict in place of a file is refused with the field that is wrong, or the rule that differs."""
    with pytest.raises(ConfigError, match=named):
        customer_risk.score(bundle, synthetic, **given)


def test_loaded_settings_are_used_as_they_are(synthetic) -> None:
    """A limit given as a dict or as a loaded configuration decides whether tables pass."""
    config = {"checks": {"label_rate": [0.4, 0.5], "max_failing_share": 0.01}}
    assert not customer_risk.check(synthetic, config=config).passed


@pytest.mark.parametrize(
    "error",
    [ConfigError("wrong", remedy="Change it.", details=("a", "b")), InputError((BadField("/a", "expected a number"),))],
)
def test_errors_can_be_pickled(error) -> None:
    """An error of a worker process arrives with its message and its fields."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  its own bytes
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    """An unknown name fails as for any module."""
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        _ = customer_risk.predict


def test_a_missing_library_names_the_extra(monkeypatch) -> None:
    """Without a library of the extra, using a name says which extra to install."""
    monkeypatch.delitem(vars(customer_risk), "RiskClassifier")
    monkeypatch.delitem(sys.modules, "customer_risk.model.training.classifier")
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(ImportError, match=r"RiskClassifier needs sklearn.base.*customer-risk\[training\]"):
        _ = customer_risk.RiskClassifier


def test_features_have_a_row_for_each_customer(synthetic, labelled) -> None:
    """The labelled cohort has labels, the other has none, and both have the same features."""
    unlabelled = customer_risk.features(synthetic, "unlabelled")
    assert labelled.columns == ["customer_id", "suspended", *unlabelled.columns[1:]]
    assert (labelled.height, unlabelled.height) == (400, 400)


def test_the_classifier_ranks_risky_customers_first(labelled) -> None:
    """Fitted to one half of the customers, it ranks the other half far better than chance, the same in each run."""
    X, y = _split(labelled)  # noqa: N806  scikit-learn's name
    model = RiskClassifier(trials=0, random_state=3).fit(X[::2], y[::2])
    risky = model.predict_proba(X[1::2])[:, 1]
    assert risky[y[1::2]].mean() > 2 * risky[~y[1::2]].mean()
    again = clone(model).fit(X[::2], y[::2])
    assert np.array_equal(again.predict_proba(X[1::2])[:, 1], risky)
    assert list(model.feature_names_in_) == X.columns


def test_the_classifier_tunes_with_as_many_trials_as_it_is_given(labelled) -> None:
    """Each trial of the tuning is kept with the fitted model."""
    X, y = _split(labelled)  # noqa: N806
    model = RiskClassifier(trials=2, members=1, inner_folds=2).fit(X, y)
    assert len(model.fitted_.trials) == 2
    assert len(model.fitted_.members) == 1


@parametrize_with_checks([RiskClassifier(trials=0, inner_folds=2)])
def test_the_classifier_is_a_scikit_learn_estimator(estimator, check) -> None:
    """The classifier passes scikit-learn's own checks of estimators."""
    check(estimator)
