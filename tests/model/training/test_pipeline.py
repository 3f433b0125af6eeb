"""The training pipeline, on small synthetic tables."""

from __future__ import annotations

import hashlib
import json

import msgspec
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from customer_risk.model.cli.training import train as train_command
from customer_risk.model.config import load_config
from customer_risk.model.errors import ConfigError, EmptyTable, FeatureError, LabelError, LeakError
from customer_risk.model.evaluation import results
from customer_risk.model.evaluation.results import METRICS
from customer_risk.model.features.catalogue import catalogue_hash
from customer_risk.model.features.frame import FeatureTable
from customer_risk.model.features.wordings import CURRENT
from customer_risk.model.scoring.bundle import FILES, load_bundle
from customer_risk.model.tables.synthetic import synthesize
from customer_risk.model.training import pipeline, provenance
from customer_risk.model.training.packing import GOLDEN
from customer_risk.model.training.stages import Stages

SETTINGS = """
threads: 1
training: {trials: 2, members: 2, inner_folds: 2, resamples: 2}
evaluation: {folds: 2, repeats: 1, bootstraps: 60}
portfolio: {risk_rate: 0.05}
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A configuration of two folds, one repeat, two trials."""
    path = tmp_path_factory.mktemp("settings") / "small.yaml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture(scope="module")
def config(settings):
    """The same configuration, loaded."""
    return load_config(settings)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Synthetic tables of 160 customers."""
    folder = tmp_path_factory.mktemp("tables")
    synthesize(folder, customers=160, seed=11, risk_rate=0.2, unlabelled=20)
    return folder


@pytest.fixture(scope="module")
def told(tables, settings, tmp_path_factory):
    """The output of the command, and its folder RUN; made once."""
    out = tmp_path_factory.mktemp("runs") / "RUN"
    found = CliRunner().invoke(train_command, [str(tables), "--out", str(out), "--config", str(settings)])
    assert found.exit_code == 0, found.output
    return found.stdout, out


@pytest.fixture(scope="module")
def run(told):
    """The folder of the run."""
    found = results.load(told[1] / "evaluation.json")
    return pipeline.TrainingResult(told[1], found.provenance.bundle_version, found)


def test_a_run_records_its_conversions(run, tables, settings, tmp_path):
    """Training on amounts in USD uses the same data as on amounts in EUR, and records each conversion."""
    (tmp_path / "tables").mkdir()
    for path in tables.glob("*.csv"):
        frame = pl.read_csv(path, infer_schema=False)
        if "amount" in frame.columns:
            frame = frame.with_columns(amount=pl.col("amount").cast(pl.Float64) * 2, currency=pl.lit("USD"))
            days = frame["created_at"].str.slice(0, 10).unique().sort()
        frame.write_csv(tmp_path / "tables" / path.name)
    rates = tmp_path / "rates.csv"
    rates.write_text("day,currency,eur_per_unit\n2000-01-01,USD,9\n" + "".join(f"{day},USD,0.5\n" for day in days))
    (tmp_path / "mapping.yaml").write_text("rates: {file: rates.csv, most_days: 31}")
    out = tmp_path / "RUN"
    given = [str(tmp_path / "tables"), "--out", str(out), "--config", str(settings)]
    found = CliRunner().invoke(train_command, [*given, "--mapping", str(tmp_path / "mapping.yaml")])
    assert found.exit_code == 0, found.output
    provenance = results.load(out / "evaluation.json").provenance
    assert (provenance.data_hash, provenance.bundle_version) == (
        run.results.provenance.data_hash,
        run.results.provenance.bundle_version,
    )
    assert (provenance.rates_sha256, run.results.provenance.rates_sha256) == (
        hashlib.sha256(rates.read_bytes()).hexdigest(),
        "",
    )
    conversions = pl.read_csv(out / "conversions.csv")
    assert conversions["currency"].unique().to_list() == ["USD"]
    assert (conversions["amount_eur"] == conversions["amount"] / 2).all()
    assert (out / "conversions.csv").stat().st_mode & 0o077 == 0


def test_a_run_leaves_bundle_report_card_and_evaluation(run):
    """RUN has exactly the bundle, the report, the model card and the evaluation."""
    assert {path.name for path in run.folder.iterdir()} == {"bundle", "report.html", "MODEL_CARD.md", "evaluation.json"}
    assert {path.name for path in (run.folder / "bundle").iterdir()} == {*FILES, "manifest.json"}


def test_the_bundle_loads_and_its_golden_rows_are_verified(run):
    """The bundle can be loaded and verified, and has the run's version."""
    assert load_bundle(run.folder / "bundle").version == run.version


def test_the_manifest_freezes_the_action_rule(run, tables, config):
    """The manifest has the configured thresholds, and the quantile of the training customers' greatest amounts."""
    rule = load_bundle(run.folder / "bundle", verify_golden=False).manifest.action_rule
    declared = config.corroboration.rules
    assert rule == pipeline.freeze_rule(pipeline.prepare(tables, config, None, Stages()), config)
    assert rule.minimum == config.corroboration.minimum
    usual = rule.patterns["LARGE_AMOUNT"]["usual"]
    assert usual > 0
    assert rule.patterns == declared | {"LARGE_AMOUNT": declared["LARGE_AMOUNT"] | {"usual": usual}}


def test_golden_rows_show_a_proposed_customer_in_every_form(run):
    """A High customer with a pattern is proposed; from features only, the action is a review."""
    rows = load_bundle(run.folder / "bundle").golden
    first = [row for row in rows if row["request"]["customer_id"] == "golden-0"]
    assert [row["answer"]["segment"] for row in first] == ["high"] * 3
    assert [row["answer"]["action"] for row in first] == ["propose_off_boarding"] * 2 + ["review"]
    assert first[0]["answer"]["patterns"]
    assert first[2]["answer"]["patterns"] is None
    assert len({row["request"]["customer_id"] for row in rows}) == GOLDEN


@pytest.mark.parametrize("rules", [{"PASS_TROUGH": {}}, {"VELOCITY_BURST": {"count": 1, "hours": 1}}])
def test_patterns_that_cannot_be_used_are_refused_before_training(rules, tables, config, tmp_path):
    """An unknown pattern or an invalid threshold is refused before the tables are read."""
    wrong = msgspec.structs.replace(config, corroboration=msgspec.structs.replace(config.corroboration, rules=rules))
    with pytest.raises(ConfigError, match="corroboration can't be used"):
        pipeline.train(tables / "nowhere", tmp_path / "RUN", config=wrong)


def test_the_evaluation_is_the_same_after_reading(run):
    """`evaluation.json` decodes to results that encode to the same bytes."""
    assert results.dumps(run.results) == (run.folder / "evaluation.json").read_bytes()


def test_no_training_customer_is_in_the_bundle(run, tables):
    """No file of the bundle has the id of a training customer or transaction."""
    users = pl.read_csv(tables / "users_labelled.csv", infer_schema=False)["user_id"].unique().to_list()
    events = pl.read_csv(tables / "transactions_labelled.csv", infer_schema=False)["id"].unique().to_list()
    content = b"\n".join(path.read_bytes() for path in sorted((run.folder / "bundle").iterdir()))
    assert not [one for one in [*users, *events] if one.encode() in content]


def test_no_training_customers_row_is_in_the_bundle(run, tables, config):
    """No golden row has the feature values of a training customer who transacts."""
    material = pipeline.prepare(tables, config, None, Stages())
    bundle = load_bundle(run.folder / "bundle")
    transacting = np.array([day is not None for day in material.joined])
    rows = material.table.select(bundle.manifest.features).values[transacting]
    for golden in bundle.golden:
        values = np.array([golden["answer"]["features"][name] for name in bundle.manifest.features], dtype=float)
        if golden["request"].get("transactions"):
            same = (rows == values) | (np.isnan(rows) & np.isnan(values))
            assert not same.all(axis=1).any()


def test_no_wall_time_is_in_the_bundle(run):
    """The manifest has no time and no path of the machine."""
    manifest = (run.folder / "bundle" / "manifest.json").read_text()
    assert str(run.folder) not in manifest
    assert not [key for key in json.loads(manifest) if "time" in key or "date" in key or key.endswith("_at")]


def test_the_manifest_has_the_results_of_the_run(run, config):
    """The manifest has the run's features, cut-offs, rates, metrics, seed and commit."""
    manifest = load_bundle(run.folder / "bundle").manifest
    assert manifest.features == run.results.features
    assert (manifest.wordings, manifest.catalogue_hash) == (CURRENT, catalogue_hash())
    assert (manifest.thresholds.medium, manifest.thresholds.high) == (
        run.results.decisions.medium,
        run.results.decisions.high,
    )
    assert manifest.risk_rate.portfolio == config.portfolio.risk_rate == run.results.decisions.portfolio_rate
    assert manifest.metrics["roc_auc"]["estimate"] == run.results.contenders[0].metrics["roc_auc"].estimate
    assert manifest.git_commit == run.results.provenance.git_commit


def test_probabilities_are_shifted_to_the_portfolio(run):
    """The calibration's shift is the difference of both rates in log-odds."""
    manifest = load_bundle(run.folder / "bundle").manifest
    sample = manifest.risk_rate.sample
    expected = np.log(0.05 / 0.95) - np.log(sample / (1 - sample))
    assert manifest.calibration.shift == pytest.approx(expected)


def test_every_contender_has_every_metric(run):
    """The contenders are XGBoost, then the baselines, each with all metrics for the same customers."""
    assert [one.key for one in run.results.contenders] == ["xgboost", "logistic_regression", "random_forest", "dummy"]
    for one in run.results.contenders:
        assert one.metrics.keys() == METRICS.keys()
        assert len(one.probabilities[0]) == len(run.results.labels) == 160


def test_each_baseline_has_differences(run):
    """Each baseline has a paired difference in each metric."""
    found = {(one.baseline, one.metric) for one in run.results.differences}
    assert found == {(key.key, metric) for key in run.results.contenders[1:] for metric in METRICS}


def test_all_checks_of_the_guard_are_in_the_results(run):
    """The six checks passed and are reported."""
    assert [finding.check for finding in run.results.leaks] == list("abcdef")


def test_measurements_have_the_shipped_arm_first(run):
    """Each measurement has the shipped arm first, and a conclusion."""
    for measurement in (run.results.excluded, run.results.weighting, run.results.calibration):
        assert "(shipped)" in measurement.arms[0].title
        assert measurement.conclusion
        assert set(measurement.differences) == {arm.key for arm in measurement.arms[1:]}


def test_importance_and_shap_cover_the_models_features(run):
    """Importance ranks exactly the shipped features, and the sample of contributions has their columns."""
    names = set(run.results.features)
    assert {one.feature for one in run.results.importance} == names
    assert set(run.results.shap.features) == names
    assert all(len(row) == len(names) for row in run.results.shap.contributions)


def test_the_learning_curve_grows(run):
    """Each point of the learning curve has more customers than the previous one."""
    sizes = [point.customers for point in run.results.learning_curve]
    assert sizes == sorted(set(sizes))


def test_the_time_view_has_every_dated_customer_once(run):
    """The three parts in time order have all customers with transactions."""
    dated = run.results.data.customers - sum(
        row.customers for row in run.results.data.months if row.period == "no transaction"
    )
    assert sum(part.customers for part in run.results.time_view.parts) == dated
    firsts = [part.first for part in run.results.time_view.parts]
    assert firsts == sorted(firsts)


def test_every_stage_is_timed(run):
    """The timings have the stages of training and evaluation."""
    stages = {timing.stage for timing in run.results.timings}
    assert {"Tune and fit the model", "Cross-validate: XGBoost", "Write the bundle", "Write the report"} <= stages


def test_no_customer_id_is_in_the_evaluation(run, tables):
    """`evaluation.json` has no customer's id."""
    users = pl.read_csv(tables / "users_labelled.csv", infer_schema=False)["user_id"].unique().to_list()
    content = (run.folder / "evaluation.json").read_text() + (run.folder / "report.html").read_text()
    assert not [one for one in users if one in content]


def test_an_occupied_folder_is_refused_before_anything_is_read(tmp_path, config):
    """A run overwrites no files."""
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(ConfigError, match="already exists and isn't empty"):
        pipeline.train(tmp_path / "no tables", tmp_path, config=config)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_leak_ends_the_run_and_leaves_no_run(tables, config, tmp_path, monkeypatch):
    """The pipeline refuses a feature that depends on the data's end, and leaves no RUN."""
    honest = pipeline.feature_table

    def leaking(customers, events, settings, *, threads=1):
        table = honest(customers, events, settings, threads=threads)
        last = customers.join(
            events.group_by("customer_id").agg(pl.col("created_at").max()),
            on="customer_id",
            how="left",
            maintain_order="left",
        )["created_at"]
        values = table.values.copy()
        values[:, table.names.index("in_sum")] = (events["created_at"].max() - last).dt.total_hours().cast(pl.Float64)
        return FeatureTable(table.ids, table.names, values)

    monkeypatch.setattr(pipeline, "feature_table", leaking)
    with pytest.raises(LeakError, match="in_sum"):
        pipeline.train(tables, tmp_path / "RUN", config=config)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_after_the_bundle_leaves_no_run(tables, config, tmp_path, monkeypatch):
    """If a stage fails after the bundle was written, no RUN is left."""
    written = []

    def broken(*_):
        written.extend(tmp_path.rglob("manifest.json"))
        raise RuntimeError("disk full")

    monkeypatch.setattr(pipeline.ablations, "excluded_types", broken)
    monkeypatch.setattr(pipeline.model_comparison, "fits", lambda study: {"xgboost": pipeline.ablations.untuned(study)})
    with pytest.raises(RuntimeError, match="disk full"):
        pipeline.train(tables, tmp_path / "RUN", config=config)
    assert written
    assert list(tmp_path.iterdir()) == []


def test_an_optional_feature_absent_in_the_tables_to_score_is_refused(tables, config, tmp_path):
    """An optional feature is refused if the tables to score lack its source column."""
    wished = msgspec.structs.replace(
        config, training=msgspec.structs.replace(config.training, optional_features=("age_years",))
    )
    with pytest.raises(FeatureError, match="age_years needs date_of_birth"):
        pipeline.train(tables, tmp_path / "RUN", config=wished)


def _without(tables, folder, keep):
    """Copy the labelled tables with the customers of `keep`."""
    users = pl.read_csv(tables / "users_labelled.csv", infer_schema=False)
    kept = keep(users)
    kept.write_csv(folder / "users_labelled.csv")
    pl.read_csv(tables / "transactions_labelled.csv", infer_schema=False).join(
        kept.select("user_id").unique(), on="user_id", how="semi"
    ).write_csv(folder / "transactions_labelled.csv")
    return folder


def _few(users, count):
    """Return the users without all but `count` suspended customers."""
    risky = users.filter(pl.col("user_current_state") == "SUSPENDED")["user_id"].unique(maintain_order=True)
    return users.filter(~pl.col("user_id").is_in(risky[count:].to_list()))


@pytest.mark.parametrize(
    ("keep", "error", "message"),
    [
        (lambda users: users.filter(pl.col("user_current_state") == "ACTIVE"), LabelError, "ACTIVE"),
        (lambda users: users.head(1), EmptyTable, "has no rows|only 1 customer"),
        (lambda users: _few(users, 4), LabelError, "4 suspended"),
    ],
    ids=["one label", "one customer", "four suspended customers"],
)
def test_too_few_customers_are_refused(tables, config, tmp_path, keep, error, message):
    """Customers of one label, one customer, and four suspended customers are refused."""
    with pytest.raises(error, match=message):
        pipeline.train(_without(tables, tmp_path, keep), tmp_path / "RUN", config=config)
    assert not (tmp_path / "RUN").exists()


def test_fewer_folds_and_missing_tables_to_score_are_noted(tables, config, tmp_path):
    """Nine suspended customers give four folds instead of five; without tables to score, sources aren't checked."""
    folder = _without(tables, tmp_path, lambda users: _few(users, 9))
    five = msgspec.structs.replace(config, evaluation=msgspec.structs.replace(config.evaluation, folds=5))
    material = pipeline.prepare(folder, five, None, Stages())
    study = pipeline.make_study(material, five)
    assert study.folds == 4
    notes = " ".join(pipeline._notes(material, study))
    assert "4 folds instead of 5" in notes
    assert "didn't check whether the tables to score have the source columns" in notes


def test_the_command_prints_data_metrics_and_paths(told):
    """`train` prints the data's summary, the metrics with intervals, and where bundle and report are."""
    printed, out = told
    assert "160 customers" in printed
    assert "ROC-AUC" in printed
    assert "[" in printed
    assert str(out / "report.html") in printed
    assert str(out / "bundle") in printed


def test_the_results_mark_synthetic_tables_and_default_prices(run):
    """The results mark synthetic tables and default prices, and have an empty imprint."""
    found = run.results
    assert found.provenance.synthetic
    assert found.provenance.commit_date == provenance.commit_date()
    assert found.decisions.default_costs == ("missed_risky", "wrongly_flagged", "review", "review_catches")
    assert found.decisions.unconfirmed
    assert found.imprint == results.Imprint()
    document = json.loads((run.folder / "evaluation.json").read_bytes())
    assert document["provenance"]["synthetic"] is True


def test_only_default_prices_are_listed(tmp_path):
    """Only default prices are listed, and a confirmation removes the badge."""
    path = tmp_path / "own.yaml"
    path.write_text("costs: {review: 90}\nreport: {costs_confirmed_by: 'B. Buyer, finance', organisation: Bank}")
    config = load_config(path)
    assert pipeline._default_costs(config) == ("missed_risky", "wrongly_flagged", "review_catches")
    assert pipeline._imprint(config.report) == results.Imprint(organisation="Bank")


def test_customers_without_transactions_are_measured_separately(run):
    """Customers without transactions are counted as in the data summary, and have metrics or a note."""
    found = run.results.without_transactions
    assert found.customers == run.results.data.without_transactions
    assert found.metrics or found.note


def test_the_example_is_a_golden_customer_of_the_bundle(run):
    """The example is made up, comes from the bundle, and its log-odds add up to its probability."""
    bundle = load_bundle(run.folder / "bundle")
    found = run.results.example
    row = next(row for row in bundle.golden if row["request"]["customer_id"] == found.customer)
    assert row["answer"]["probability"] == found.probability
    total = found.base + found.others + sum(each.contribution for each in found.reasons)
    assert 1 / (1 + np.exp(-total)) == pytest.approx(found.probability)
    assert found.base == bundle.scorer.base


def test_the_report_counts_the_proposed_customers(run):
    """The proposed customers are High customers, by the rule in the manifest."""
    found, rule = run.results, load_bundle(run.folder / "bundle").manifest.action_rule
    high = next(row for row in found.segments.rows if row.segment == "high")
    assert 0 <= found.proposed.suspended <= found.proposed.customers <= high.customers
    assert (found.action_rule, found.criteria_minimum) == (rule.version, rule.minimum)
    assert {each.code for each in found.criteria} == set(rule.patterns)


def test_only_high_customers_with_a_pattern_are_counted(run, tables, config):
    """If all customers are High, those with a pattern are proposed; without High customers, no customer is."""
    material = pipeline.prepare(tables, config, None, Stages())
    rule = load_bundle(run.folder / "bundle").manifest.action_rule
    nobody = np.zeros((2, len(material.suspended)), dtype=np.bool_)
    assert pipeline._proposed(material, config, rule, nobody).customers == 0
    everybody = pipeline._proposed(material, config, rule, ~nobody)
    without = material.customers["customer_id"].is_in(material.events["customer_id"].implode()).not_().sum()
    assert 0 < everybody.customers <= len(material.suspended) - without
    harder = msgspec.structs.replace(rule, minimum=len(rule.patterns))
    assert pipeline._proposed(material, config, harder, ~nobody).customers < everybody.customers
