"""The training pipeline, from a folder of tables to RUN: the bundle, the evaluation and the report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from customer_risk.model.atomic import new_folder, write_file
from customer_risk.model.config import load_config
from customer_risk.model.errors import ConfigError
from customer_risk.model.evaluation import cohorts, distributions, fairness, intervals, results
from customer_risk.model.evaluation.decision_inputs import DecisionInputs
from customer_risk.model.evaluation.decisions import PRICED, decide, segment_rows
from customer_risk.model.features import catalogue
from customer_risk.model.features.frame import encode_frame, feature_table
from customer_risk.model.features.wordings import CURRENT
from customer_risk.model.offboarding.spreadsheet import csv_bytes
from customer_risk.model.patterns.finder import Finder
from customer_risk.model.patterns.wording import Wording
from customer_risk.model.policy.calibration import prior_shift
from customer_risk.model.policy.thresholds import Cuts
from customer_risk.model.report.numbers import counted, were
from customer_risk.model.report.stated_limits import stated_limits
from customer_risk.model.report.writing import write_report
from customer_risk.model.scoring import bundle as bundles
from customer_risk.model.scoring.calibration import Calibration
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.scoring.freezing import check_corroboration, freeze
from customer_risk.model.scoring.golden import cpu_family
from customer_risk.model.scoring.model_features import FeatureSettings
from customer_risk.model.scoring.segments import SEGMENTS, Thresholds
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.mapping import as_mapping
from customer_risk.model.tables.reading import available_columns
from customer_risk.model.tables.storage import is_there
from customer_risk.model.tables.synthetic import are_synthetic
from customer_risk.model.training import ablations, importance, learning_curve, model_comparison, provenance, temporal
from customer_risk.model.training.candidates import candidates, kernel_settings
from customer_risk.model.training.data_summary import summarise, transactions
from customer_risk.model.training.example import work_through
from customer_risk.model.training.export import trees_from_booster
from customer_risk.model.training.leaks import guard
from customer_risk.model.training.learners import Boosted
from customer_risk.model.training.packing import NAME, Shipped, bundle_files
from customer_risk.model.training.procedure import fit_procedure
from customer_risk.model.training.splits import possible_folds
from customer_risk.model.training.stages import Stages
from customer_risk.model.training.study import Study
from customer_risk.model.training.tuning import OBJECTIVE, quiet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from customer_risk.model.config import Config, ConfigSource, Report
    from customer_risk.model.features.feature import Feature
    from customer_risk.model.features.frame import FeatureTable
    from customer_risk.model.scoring.action_rule import ActionRule
    from customer_risk.model.tables.cleaning import Cohort
    from customer_risk.model.tables.mapping import Mapping, MappingSource
    from customer_risk.model.training.model_comparison import Judged

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingResult:
    """A finished training: its folder, its bundle's version, and all numbers of its report."""

    folder: Path
    version: str
    results: results.RunResults

    @property
    def bundle(self) -> Path:
        """The folder of the bundle."""
        return self.folder / "bundle"

    def __repr__(self) -> str:
        metrics = self.results.contenders[0].metrics
        said = ", ".join(f"{name} {metrics[name].estimate:.3f}" for name in ("average_precision", "roc_auc"))
        return f"TrainingResult({said}; bundle {self.version[:16]} in {self.bundle})"


@dataclass(frozen=True, slots=True)
class Material:
    """The training data: the clean cohort, its features, and the findings of the leak guard."""

    cohort: Cohort
    customers: pl.DataFrame
    events: pl.DataFrame
    suspended: Flags
    joined: tuple[datetime | None, ...]
    table: FeatureTable
    with_excluded: FeatureTable
    lacking: tuple[str, ...]
    findings: tuple[results.Finding, ...]


def train(
    tables: str | Path,
    out: str | Path,
    *,
    config: ConfigSource = None,
    mapping: MappingSource = None,
    watch: Stages | None = None,
) -> TrainingResult:
    """Train on a folder's labelled tables and write `out`: bundle/, report.html, MODEL_CARD.md, evaluation.json.

    `config` and `mapping` are files, nested dicts or loaded objects. If the mapping names rates, `out` also has
    conversions.csv. All files are written, or no file. Raises ConfigError if `out` isn't empty, TableError for unusable
    tables, LeakError for features that reveal the outcome, FeatureError for unknown features.
    """
    out, settings = Path(out), load_config(config)
    refuse_occupied(out)
    check_corroboration(settings.corroboration)
    watch = watch or Stages()
    material = prepare(Path(tables), settings, mapping, watch)
    study = make_study(material, settings)
    with quiet():
        shipped = fit_shipped(study, watch)
        with new_folder(out) as folder:
            return _finish(material, study, shipped, folder, out, watch)


def refuse_occupied(out: Path) -> None:
    """Raise ConfigError if `out` is a file or a folder that isn't empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            f"{out} already exists and isn't empty. A run overwrites no files.",
            remedy="Name another folder, or remove this one first.",
        )


def prepare(tables: Path, config: Config, mapping: MappingSource, watch: Stages) -> Material:
    """Read and clean the tables, compute features, and run the leak guard."""
    named = as_mapping(mapping)
    with watch.stage("Read and clean the tables"):
        cohort = load_cohort(tables, "labelled", mapping=named, config=config)
        customers, events = pl.DataFrame(cohort.customers), pl.DataFrame(cohort.events)
        suspended = customers["suspended"].to_numpy()
    names, lacking = candidates(config.training, cohort.absent)
    settings = kernel_settings(config.training.excluded_types)
    with watch.stage("Compute features"):
        table = feature_table(customers, events, settings, threads=config.threads).select(names)
        everything = feature_table(
            customers, events, replace(settings, excluded_types=()), threads=config.threads
        ).select(names)
    with watch.stage("Check for leaks"):
        findings = guard(
            lambda some, own: feature_table(some, own, settings, threads=config.threads).select(names),
            customers,
            events,
            sources={name: catalogue.BY_NAME[name].sources for name in names},
            available=_available(tables, named),
            outcome_types=config.training.excluded_types,
            greatest_auc=config.leaks.max_single_feature_auc,
            allowed=config.leaks.allow,
            folds=possible_folds(suspended, config.evaluation.folds, to_learn=4),
            seed=config.seed,
        )
    joined = cohorts.joined(customers, events)
    return Material(cohort, customers, events, suspended, joined, table, everything, lacking, findings)


def make_study(material: Material, config: Config) -> Study:
    """Return the customers, folds and resamples that all evaluations of the run share."""
    evaluation = config.evaluation
    return Study(
        table=material.table,
        suspended=material.suspended,
        joined=material.joined,
        directions={name: feature.direction for name, feature in catalogue.BY_NAME.items()},
        config=config,
        folds=possible_folds(material.suspended, evaluation.folds, to_learn=4),
        draws=intervals.make_draws(
            len(material.suspended),
            evaluation.repeats,
            draws=evaluation.bootstraps,
            confidence=evaluation.confidence,
            seed=config.seed,
        ),
    )


def fit_shipped(study: Study, watch: Stages) -> Shipped:
    """Fit the shipped procedure, including tuning, to all customers."""
    with watch.stage("Tune and fit the model"):
        fitted = fit_procedure(
            study.table, study.suspended, study.config.training, study.config.seed, directions=study.directions
        )
    return Shipped(fitted, study.table, study.suspended)


def freeze_rule(material: Material, config: Config) -> ActionRule:
    """Return the configuration's action rule, with quantiles of the training customers."""
    return freeze(
        config.corroboration,
        encode_frame(material.customers, material.events),
        kernel_settings(config.training.excluded_types),
        threads=config.threads,
    )


def write_bundle(
    shipped: Shipped,
    study: Study,
    cuts: Cuts,
    metrics: dict[str, results.Interval],
    data_hash: str,
    rule: ActionRule,
    folder: Path,
) -> tuple[str, bundles.Manifest]:
    """Write the bundle and return its version and manifest."""
    config, fitted = study.config, shipped.fitted
    sample = float(study.suspended.mean())
    manifest = bundles.Manifest(
        name=NAME,
        features=shipped.model.names,
        catalogue_hash=catalogue.catalogue_hash(),
        settings=FeatureSettings(
            lookback_days=catalogue.LOOKBACK_DAYS,
            max_transactions=catalogue.MAX_TRANSACTIONS,
            excluded_types=tuple(sorted(config.training.excluded_types)),
        ),
        thresholds=Thresholds(medium=cuts.medium, high=cuts.high),
        calibration=Calibration(
            slope=fitted.slope, intercept=fitted.intercept, shift=prior_shift(sample, config.portfolio.risk_rate)
        ),
        risk_rate=bundles.RiskRate(sample=sample, portfolio=config.portfolio.risk_rate),
        metrics=msgspec.to_builtins(metrics),
        explain_method=Explainer(trees_from_booster(shipped.model.booster)).method,
        git_commit=provenance.git_commit(),
        data_hash=data_hash,
        seed=config.seed,
        threads=config.threads,
        libraries=provenance.libraries(),
        cpu_family=cpu_family(),
        action_rule=rule,
        wordings=CURRENT,
    )
    learner = Boosted(fitted.members, study.directions)
    files = bundle_files(shipped, learner, manifest, resamples=config.training.resamples, seed=config.seed)
    return bundles.write_bundle(folder, manifest, files), manifest


def _finish(
    material: Material, study: Study, shipped: Shipped, folder: Path, out: Path, watch: Stages
) -> TrainingResult:
    """Evaluate, and write the bundle and the report into `folder`, which becomes `out`."""
    config = study.config
    judged = _contest(study, watch)
    first, fitted = judged[0], shipped.fitted
    per_week, source = _flow(study)
    inputs = DecisionInputs(first.found, config.portfolio.risk_rate, per_week)
    with watch.stage("Choose cut-offs"):
        decisions = decide(inputs, config.costs, study.draws, fitted.inner_probabilities, source)
    cuts = Cuts(decisions.medium, decisions.high)
    decisions = msgspec.structs.replace(
        decisions, default_costs=_default_costs(config), costs_confirmed_by=config.report.costs_confirmed_by or ""
    )
    rows, members = segment_rows(inputs, config.costs, cuts, study.draws.confidence)
    with watch.stage("Freeze the action rule"):
        rule = freeze_rule(material, config)
    with watch.stage("Write the bundle"):
        data_hash = provenance.data_hash(material.cohort)
        version, manifest = write_bundle(
            shipped, study, cuts, study.intervals(first.measured), data_hash, rule, folder / "bundle"
        )
    each = study.folds * study.repeats
    with watch.stage("Measure the bank's own events", 2 * each) as tick:
        excluded = ablations.excluded_types(study, material.with_excluded, tick)
    with watch.stage("Measure class weights", len(ablations.WEIGHTINGS) * each) as tick:
        weighting = ablations.weighting(study, tick)
    with watch.stage("Learning curve", len(learning_curve.SIZES) * each) as tick:
        curve = learning_curve.learning_curve(study, tick)
    with watch.stage("Importance", each) as tick:
        frequency = importance.selection_frequency(first.found)
        names = shipped.model.names
        shares = importance.contributions(first.found, study.table, names)
        falls = importance.permutation_falls(first.found, study.table, names, config.seed, tick)
    order = np.random.default_rng(config.seed).permutation(len(study.suspended))
    contenders = tuple(model_comparison.contender(one, study, order) for one in judged)
    notes = _notes(material, study)
    features = [catalogue.BY_NAME[name] for name in names]
    columns = study.table.select(names)
    wordings = [Wording(code, limits) for code, limits in rule.patterns.items()]
    without = transactions(material.customers, material.events, config.training.excluded_types).to_numpy() == 0
    rates = material.cohort.rates
    if rates is not None:
        conversions = csv_bytes(material.cohort.conversions)
        write_file(folder / "conversions.csv", conversions, mode=0o600)  # it has customers' amounts
    with watch.stage("Measure calibration, strata and fairness"):
        found = results.RunResults(
            provenance=results.Provenance(
                bundle_version=version,
                git_commit=manifest.git_commit,
                data_hash=data_hash,
                catalogue_hash=manifest.catalogue_hash,
                seed=config.seed,
                threads=config.threads,
                libraries=manifest.libraries,
                cpu_family=manifest.cpu_family,
                rates_sha256="" if rates is None else rates.sha256,
                commit_date=provenance.commit_date(),
                synthetic=are_synthetic(material.customers["customer_id"]),
            ),
            data=summarise(material.cohort, study.joined, config.training.excluded_types, study.draws.confidence),
            features=names,
            parameters={**fitted.members[0], "averaged_trials": len(fitted.members)},
            excluded_types=tuple(sorted(config.training.excluded_types)),
            folds=study.folds,
            repeats=study.repeats,
            interval_method=intervals.METHOD.format(draws=config.evaluation.bootstraps),
            point_method=intervals.POINT,
            confidence=study.draws.confidence,
            labels=tuple(study.suspended[order].tolist()),
            distributions=tuple(
                distributions.distribution(feature, columns.values[:, at], study.suspended)
                for at, feature in enumerate(features)
            ),
            contenders=contenders,
            differences=model_comparison.differences(first, judged[1:], study),
            strata=model_comparison.strata(first, study),
            excluded=excluded,
            weighting=weighting,
            calibration=ablations.calibration(study, first.found),
            calibration_bins=intervals.calibration_bins(
                study.suspended, first.found.probabilities, study.draws.confidence
            ),
            decisions=decisions,
            segments=results.Segments(
                rows=rows,
                features=tuple(_segment_feature(f, columns.values[:, at], members) for at, f in enumerate(features)),
            ),
            time_view=temporal.time_view(study),
            learning_curve=curve,
            importance=importance.importances(shares, falls, features, frequency, study.draws.confidence),
            shap=importance.shap_sample(shares, columns.values, names, config.seed),
            tuning=results.Tuning(
                objective=OBJECTIVE,
                budget=_budget(config, len(fitted.trials)),
                trials=fitted.trials,
                chosen=dict(fitted.members[0]),
            ),
            leaks=material.findings,
            selection=_selection(study, names, frequency, material.lacking),
            limits=stated_limits(
                study.suspended,
                study.joined,
                material.cohort.counts.get("customers_with_both_labels", 0),
                contenders[0].metrics["average_precision"],
                notes,
            ),
            timings=tuple(watch.timings),
            fairness=_fairness(material, inputs, members),
            criteria=tuple(
                results.Criterion(code=one.code, name=one.pattern.name, why=one.pattern.why, thresholds=one.describe())
                for one in wordings
            ),
            criteria_minimum=rule.minimum,
            action_rule=rule.version,
            proposed=_proposed(material, config, rule, members[2]),
            without_transactions=model_comparison.stratum(first, study, cohorts.NEVER, without),
            example=_example(folder / "bundle"),
            imprint=_imprint(config.report),
            notes=notes,
        )
    with watch.stage("Write the report"):
        write_report(folder, found)
    found = msgspec.structs.replace(found, timings=tuple(watch.timings))
    write_file(folder / "evaluation.json", results.dumps(found))
    return TrainingResult(out, version, found)


def _contest(study: Study, watch: Stages) -> list[Judged]:
    """Cross-validate every contender; the first is the shipped procedure."""
    judged = []
    for key, fit in model_comparison.fits(study).items():
        title = model_comparison.TITLES[key].split(" (")[0]
        with watch.stage(f"Cross-validate: {title}", study.folds * study.repeats) as tick:
            judged.append(model_comparison.judge(key, fit, study, tick))
    return judged


def _available(tables: Path, mapping: Mapping) -> frozenset[str] | None:
    """Return the columns of the tables to score; None if the folder has no such tables."""
    files = (mapping.file(kind, "unlabelled") for kind in ("users", "transactions"))
    return available_columns(tables, "unlabelled", mapping) if all(is_there(tables, one) for one in files) else None


def _flow(study: Study) -> tuple[float, str]:
    """Return how many customers are scored per week, and the source of this number."""
    configured = study.config.costs.customers_per_week
    if configured is not None:
        return configured, "from the configuration (costs.customers_per_week)"
    measured = cohorts.customers_per_week(study.joined)
    if measured is None:
        return float(len(study.suspended)), "unknown, because no customer has a transaction: all customers in one week"
    return measured, "the number that joined per week in the labelled tables; see costs.customers_per_week"


def _notes(material: Material, study: Study) -> tuple[str, ...]:
    notes = []
    suspended = int(study.suspended.sum())
    if study.folds < study.config.evaluation.folds:
        notes.append(
            f"Only {counted(suspended)} {were(suspended)} suspended, so there are {study.folds} folds instead of "
            f"{study.config.evaluation.folds}."
        )
    if material.lacking:
        notes.append(
            f"{counted(len(material.lacking), 'feature')} left out, because the tables lack a source column: "
            f"{', '.join(material.lacking)}."
        )
    if material.findings and any(finding.check == "e" and finding.examined == 0 for finding in material.findings):
        notes.append(
            "The leak guard didn't check whether the tables to score have the source columns of all features, because "
            "the folder has no such tables."
        )
    return tuple(notes)


def _default_costs(config: Config) -> tuple[str, ...]:
    """Return the names of the prices that have their default values."""
    defaults = load_config().costs
    return tuple(name for name in PRICED if getattr(config.costs, name) == getattr(defaults, name))


def _example(folder: Path) -> results.Example | None:
    """Return one of the bundle's golden customers as an example, with the service's answer."""
    bundle = bundles.load_bundle(folder, verify_golden=False)
    return work_through(bundle.golden, bundle.scorer.base)


def _proposed(material: Material, config: Config, rule: ActionRule, high: Flags) -> results.Proposed:
    """Count the customers whom the action rule proposes, among the High customers bool[r, n]."""
    finder = Finder(rule.patterns, kernel_settings(config.training.excluded_types))
    found = finder.find(encode_frame(material.customers, material.events), threads=config.threads)
    corroborated = (found.figures[:, :, 0] > 0).sum(axis=1) >= rule.minimum
    chosen = high & corroborated
    customers = float(chosen.sum(axis=1).mean())
    suspended = float((chosen & material.suspended).sum(axis=1).mean())
    rate = intervals.wilson(suspended, customers, config.evaluation.confidence)
    return results.Proposed(customers=customers, suspended=suspended, observed_rate=rate)


def _imprint(report: Report) -> results.Imprint:
    return results.Imprint(
        organisation=report.organisation or "", author=report.author or "", audience=report.audience or ""
    )


def _budget(config: Config, made: int) -> str:
    if config.training.seconds is None:
        return counted(config.training.trials, "trial")
    return f"{config.training.seconds:g} seconds, in which {counted(made, 'trial')} {were(made)} made"


def _segment_feature(feature: Feature, values: Floats, members: Flags) -> results.SegmentFeature:
    """Return the feature's median in each segment, over all repeats; members bool[3, r, n]."""
    medians: dict[str, float | None] = {}
    for segment, where in zip(SEGMENTS, members, strict=True):
        cases = np.repeat(values, where.sum(axis=0))
        known = cases[~np.isnan(cases)]
        medians[segment] = float(np.median(known)) if known.size else None
    return results.SegmentFeature(feature=feature.name, unit=feature.unit, medians=medians)


def _selection(
    study: Study, names: Sequence[str], frequency: dict[str, float], lacking: Sequence[str]
) -> tuple[results.Selected, ...]:
    rows = [
        results.Selected(
            feature=name,
            kept=name in names,
            frequency=frequency.get(name, 0.0),
            reason="" if name in names else "ranked too low, or the same for every customer",
        )
        for name in study.table.names
    ]
    rows += [
        results.Selected(feature=name, kept=False, frequency=0.0, reason="the tables lack its source column")
        for name in lacking
    ]
    return tuple(sorted(rows, key=lambda row: (-row.kept, -row.frequency, row.feature)))


def _fairness(material: Material, inputs: DecisionInputs, members: Flags) -> tuple[fairness.Fairness, ...]:
    """Compare slices under both decisions, which are those of most repeats; members bool[3, r, n]."""
    if material.events.is_empty():
        return ()
    slices = fairness.groups(material.customers, on=material.events["created_at"].dt.date().max())  # type: ignore[arg-type]
    compare = partial(
        fairness.fairness, suspended=material.suspended, probabilities=inputs.probabilities.mean(axis=0), slices=slices
    )
    return (
        compare("Medium or High (at least a review)", flagged=(members[1] | members[2]).mean(axis=0) >= 0.5),
        compare("High (off-boarding where a pattern is found)", flagged=members[2].mean(axis=0) >= 0.5),
    )
