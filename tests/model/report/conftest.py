"""Small results of a run: the figures of 160 random customers, computed by the package."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np
import pytest

from customer_risk.model.evaluation.fairness import fairness, wilson
from customer_risk.model.evaluation.intervals import all_metrics, difference, interval, make_draws
from customer_risk.model.evaluation.results import (
    METRICS,
    Arm,
    CalibrationBin,
    CohortRow,
    Confusion,
    Contender,
    CostRow,
    Criterion,
    CurvePoint,
    DataSummary,
    DecisionPoint,
    Decisions,
    Difference,
    Distribution,
    Example,
    ExamplePattern,
    ExampleReason,
    Finding,
    Importance,
    Imprint,
    Interval,
    Limit,
    Measurement,
    Proposed,
    Provenance,
    RateRow,
    RunResults,
    SegmentFeature,
    SegmentRow,
    Segments,
    Selected,
    ShapSample,
    Strategy,
    Stratum,
    TimePart,
    TimeView,
    Timing,
    Trap,
    Trial,
    Tuning,
)

FEATURES = ("declined_share", "pass_through_24h", "night_share", "amount_median", "kyc_pending", "gap_burstiness")
REPEATS = 3
CUSTOMERS, SUSPENDED = 160, 30


def made() -> RunResults:
    """Return the results of random customers; each call gives the same."""
    random = np.random.default_rng(11)
    labels = np.arange(CUSTOMERS) < SUSPENDED
    random.shuffle(labels)
    signal = labels * 1.6
    boosted = _probabilities(random, signal, 1.0)
    draws = make_draws(CUSTOMERS, REPEATS, draws=60, confidence=0.95, seed=3)
    folds = np.tile(np.arange(CUSTOMERS) % 5, (REPEATS, 1))
    judged = [
        _contender(key, title, probabilities, labels, draws, folds)
        for key, title, probabilities in (
            ("xgboost", "XGBoost", boosted),
            ("logistic_regression", "Logistic regression", _probabilities(random, signal * 0.7, 1.3)),
            ("random_forest", "Random forest", _probabilities(random, signal, 1.0)),
            ("dummy", "Dummy", np.full((REPEATS, CUSTOMERS), 0.1875)),
        )
    ]
    contenders = tuple(found for found, _ in judged)
    values = random.lognormal(0, 1, (CUSTOMERS, len(FEATURES))) + labels[:, None] * 0.4
    values[random.random(values.shape) < 0.1] = np.nan
    contributions = np.where(np.isnan(values), -0.1, (values - 1) * np.linspace(0.6, 0.05, len(FEATURES)))
    return RunResults(
        provenance=Provenance(
            bundle_version="ab" * 32,
            git_commit="c0ffee" + "0" * 34,
            data_hash="da7a" * 16,
            catalogue_hash="f00d" * 16,
            seed=20240901,
            threads=2,
            libraries={"xgboost-cpu": "3.2.0", "polars": "2.1.0"},
            cpu_family="x86_64/AMD/25",
            commit_date="2024-10-01",
            synthetic=True,
        ),
        data=DataSummary(
            customers=CUSTOMERS,
            suspended=SUSPENDED,
            event_rows=4048,
            transactions=2869,
            without_transactions=53,
            median_transactions=5.0,
            greatest_transactions=265,
            first_event="2024-05-02",
            last_event="2024-09-30",
            traps=(
                Trap(key="repeated_profiles", sentence="Customers who stand on several profile rows.", count=41),
                Trap(key="whole_rows_repeated", sentence="Whole transaction rows that stand twice.", count=0),
            ),
            months=_cohorts(("2024-05", 50, 20), ("2024-06", 40, 8), ("2024-09", 17, 0), ("no transaction", 53, 2)),
            weeks=_cohorts(("2024-W20", 50, 20), ("2024-W25", 40, 8), ("2024-W38", 17, 0)),
        ),
        features=FEATURES,
        parameters={"max_depth": 2, "learning_rate": 0.05, "booster": "gbtree"},
        excluded_types=("MANUAL",),
        folds=5,
        repeats=REPEATS,
        interval_method="Intervals come from 200 resamples of customers.",
        point_method="Point estimates are means over the repeats.",
        confidence=0.95,
        labels=tuple(labels.tolist()),
        distributions=tuple(_distribution(name, values[:, at], labels) for at, name in enumerate(FEATURES)),
        contenders=contenders,
        differences=_differences({found.key: measured for found, measured in judged}),
        strata=(
            Stratum(period="2024-05", customers=50, suspended=20, metrics=contenders[0].metrics),
            Stratum(period="2024-09", customers=17, suspended=0, metrics={}, note="no suspended customer"),
        ),
        excluded=_measurement(
            "What do the bank's own MANUAL events give away?",
            ("without", "Without MANUAL events", contenders[0].metrics),
            ("with", "With MANUAL events", contenders[2].metrics),
        ),
        weighting=_measurement(
            "Class weights, or invented minority rows?",
            ("weights", "Class weights", contenders[0].metrics),
            ("smote", "Interpolated minority rows", contenders[1].metrics),
        ),
        calibration=_measurement(
            "Which calibration?",
            ("sigmoid", "Sigmoid (2 parameters)", contenders[0].metrics),
            ("isotonic", "Isotonic (a step function)", contenders[1].metrics),
        ),
        calibration_bins=_bins(boosted, labels),
        decisions=_decisions(boosted, labels),
        segments=_segments(boosted, labels),
        time_view=TimeView(
            parts=(
                TimePart(
                    part="train 70%",
                    first="2024-05-02",
                    last="2024-07-30",
                    customers=112,
                    suspended=28,
                    metrics=contenders[0].metrics,
                ),
                TimePart(
                    part="validate 15%", first="2024-07-31", last="2024-08-20", customers=24, suspended=0, metrics=None
                ),
                TimePart(
                    part="test 15%", first="2024-08-21", last="2024-09-30", customers=24, suspended=2, metrics=None
                ),
            ),
            weeks=_cohorts(("2024-W20", 50, 20), ("2024-W25", 40, 8), ("2024-W38", 17, 0)),
            meaning="The later customers have not been caught yet: <early> is not the same as safe & sound.",
        ),
        learning_curve=tuple(
            CurvePoint(
                customers=float(n),
                suspended=n * SUSPENDED / CUSTOMERS,
                metrics={
                    "average_precision": Interval(estimate=0.3 + n / 1000, low=0.2 + n / 1000, high=0.4 + n / 1000),
                    "roc_auc": Interval(estimate=0.6 + n / 1000, low=0.5 + n / 1000, high=0.7 + n / 1000),
                },
            )
            for n in (32, 64, 96, 128)
        ),
        importance=tuple(
            Importance(
                feature=name,
                unit="share",
                direction=(1, 0, -1)[at % 3],
                mean_abs_contribution=float(np.abs(contributions[:, at]).mean()),
                permutation=Interval(estimate=0.05 / (at + 1), low=-0.01, high=0.1 / (at + 1)),
                selection_frequency=1.0 - at / 10,
            )
            for at, name in enumerate(FEATURES)
        ),
        shap=ShapSample(
            features=FEATURES,
            contributions=tuple(tuple(row) for row in contributions.tolist()),
            values=tuple(tuple(None if value != value else value for value in row) for row in values.tolist()),  # noqa: PLR0124  NaN alone differs from itself
        ),
        tuning=Tuning(
            objective="average precision, inner folds",
            budget="4 trials",
            trials=tuple(
                Trial(
                    number=at,
                    params={"max_depth": 2 + at % 2, "learning_rate": 0.05},
                    value=None if at == 2 else 0.4 + at / 100,
                    state="pruned" if at == 2 else "complete",
                )
                for at in range(4)
            ),
            chosen={"max_depth": 2, "learning_rate": 0.05},
        ),
        leaks=tuple(
            Finding(check=check, title=f"Check {check}", examined=90, result="Nothing found.", allowed=allowed)
            for check, allowed in (("a", {}), ("b", {}), ("f", {"kyc_pending": "set before any suspension"}))
        ),
        selection=(
            *(Selected(feature=name, kept=True, frequency=1.0) for name in FEATURES),
            Selected(feature="weekend_share", kept=False, frequency=0.1, reason="adds nothing beside night_share"),
        ),
        limits=(Limit(title="No suspension time", text="The tables don't say when a customer was suspended."),),
        timings=(Timing(stage="tuning", seconds=12.34), Timing(stage="evaluation", seconds=101.0)),
        fairness=_fairness(boosted.mean(axis=0), labels, random),
        criteria=(
            Criterion(
                code="PASS_THROUGH", name="Money passes through", why="It hands money on.", thresholds="24 (hours)"
            ),
        ),
        proposed=Proposed(customers=12.0, suspended=9.0, observed_rate=_wilson(9, 12)),
        without_transactions=Stratum(
            period="no transaction",
            customers=53,
            suspended=2,
            metrics={"roc_auc": Interval(estimate=0.4, low=0.2, high=0.65)},
            note="few",
        ),
        example=_example(),
        imprint=Imprint(organisation="Bank of Examples", author="A. Author", audience="the risk committee"),
        notes=("These customers are drawn, <b>not</b> real.",),
    )


def _probabilities(random, signal, noise):
    return 1 / (1 + np.exp(-(signal * 1.3 - 2.1 + random.normal(0, noise, (REPEATS, signal.size)))))


def _interval(estimate: float, half: float = 0.1) -> Interval:
    return Interval(estimate=float(estimate), low=float(estimate - half), high=float(estimate + half))


def _wilson(counted: int, of: int) -> Interval:
    share = wilson(counted, of)
    return Interval(estimate=share.value, low=share.low, high=share.high)


def _contender(key, title, probabilities, labels, draws, folds) -> tuple[Contender, dict]:
    flagged = probabilities >= 0.4
    measured = all_metrics(labels, probabilities, draws, flagged=flagged, folds=folds)
    found = Contender(
        key=key,
        title=title,
        probabilities=tuple(tuple(row) for row in probabilities.tolist()),
        flagged=tuple(tuple(row) for row in flagged.tolist()),
        metrics={name: interval(each, 0.95) for name, each in measured.items()},
        metrics_by_repeat={
            name: tuple(None if np.isnan(value) else value for value in each.by_repeat)
            for name, each in measured.items()
        },
        note={"dummy": "It flags no customer.", "xgboost": "As it ships."}.get(key, ""),
    )
    return found, measured


def _differences(measured: dict[str, dict]) -> tuple[Difference, ...]:
    return tuple(
        Difference(baseline=key, metric=metric, difference=difference(measured["xgboost"][metric], each[metric], 0.95))
        for key, each in measured.items()
        if key != "xgboost"
        for metric in ("average_precision", "roc_auc", "brier")
    )


def _cohorts(*rows) -> tuple[CohortRow, ...]:
    return tuple(CohortRow(period=period, customers=n, suspended=bad, rate=_wilson(bad, n)) for period, n, bad in rows)


def _distribution(name, values, labels) -> Distribution:
    edges = np.linspace(0, np.nanmax(values), 13)
    active, risky = values[~labels], values[labels]
    return Distribution(
        feature=name,
        unit="share",
        direction=1,
        formula="A sum over the customer's own events.",
        log_scale=name == "amount_median",
        edges=tuple(edges.tolist()),
        active=tuple(np.histogram(active[~np.isnan(active)], edges)[0].tolist()),
        suspended=tuple(np.histogram(risky[~np.isnan(risky)], edges)[0].tolist()),
        missing_active=int(np.isnan(active).sum()),
        missing_suspended=int(np.isnan(risky).sum()),
        median_active=float(np.nanmedian(active)),
        median_suspended=float(np.nanmedian(risky)),
        auc=0.61,
    )


def _measurement(question, *arms) -> Measurement:
    return Measurement(
        question=question,
        arms=tuple(Arm(key=key, title=title, metrics=metrics, note=f"About {key}.") for key, title, metrics in arms),
        differences={arms[1][0]: {"average_precision": Interval(estimate=-0.02, low=-0.06, high=0.02)}},
        conclusion=f"{arms[0][1]} is what ships.",
    )


def _bins(probabilities, labels) -> tuple[CalibrationBin, ...]:
    mean = probabilities.mean(axis=0)
    return tuple(
        CalibrationBin(
            predicted=float(mean[part].mean()),
            observed=_wilson(int(labels[part].sum()), part.size),
            customers=part.size,
        )
        for part in np.array_split(np.argsort(mean), 8)
    )


def _confusion(probabilities, labels, cut) -> Confusion:
    flagged = probabilities >= cut
    return Confusion(
        true_positive=float((flagged & labels).sum() / REPEATS),
        false_positive=float((flagged & ~labels).sum() / REPEATS),
        false_negative=float((~flagged & labels).sum() / REPEATS),
        true_negative=float((~flagged & ~labels).sum() / REPEATS),
    )


def _strategy(probabilities, labels, key, title, cut, *, medium=None, shipped=False) -> Strategy:
    counted = _confusion(probabilities, labels, 2.0 if cut is None else cut)
    flagged = counted.true_positive + counted.false_positive
    saved = (2500 * counted.true_positive - 400 * counted.false_positive) / CUSTOMERS
    return Strategy(
        key=key,
        title=title,
        threshold=cut,
        medium_threshold=medium,
        confusion=counted,
        precision=_interval(counted.true_positive / flagged) if flagged else Interval(estimate=None),
        recall=_interval(counted.true_positive / SUSPENDED),
        f1=_interval(0.5) if flagged else Interval(estimate=None),
        flagged_share=_interval(flagged / CUSTOMERS),
        reviews_per_week=flagged / 20,
        net_benefit=_interval(saved / 2500),
        loss_per_customer=_interval(2500 * SUSPENDED / CUSTOMERS - saved, 30),
        saved_per_customer=_interval(saved, 30),
        roi=_interval(3.0, 1.0) if flagged else Interval(estimate=None),
        shipped=shipped,
    )


def _decisions(probabilities, labels) -> Decisions:
    strategies = (
        _strategy(probabilities, labels, "segments", "Low, Medium, High (shipped)", 0.6, medium=0.2, shipped=True),
        _strategy(probabilities, labels, "max_f1", "Greatest F1", 0.45),
        _strategy(probabilities, labels, "recall", "Recall of at least 0.7", 0.3),
        _strategy(probabilities, labels, "least_cost", "Least expected cost", 0.25),
        _strategy(probabilities, labels, "no_customer", "No customer flagged", None),
    )
    keys = [each.key for each in strategies]
    return Decisions(
        costs={"missed_risky": 2500.0, "wrongly_flagged": 400.0, "review": 40.0, "reviews_per_week": 25.0},
        customers_per_week=20.5,
        customers_per_week_source="customers by week of their first transaction, in these tables",
        strategies=strategies,
        decision_curve=tuple(
            DecisionPoint(threshold=cut, model=0.12 - 0.1 * cut, everybody=0.1875 - (1 - 0.1875) * cut / (1 - cut))
            for cut in (0.05, 0.1, 0.2, 0.4)
        ),
        cost_sensitivity=tuple(
            CostRow(
                cost=cost,
                factor=factor,
                value=value * factor,
                medium_cut=0.1 / factor,
                high_cut=min(0.9, 0.5 / factor),
                saved={key: 80.0 * factor - 10 * at for at, key in enumerate(keys)},
                roi={key: None if key == "no_customer" else 3.0 * factor for key in keys},
            )
            for cost, value in (("missed_risky", 2500.0), ("wrongly_flagged", 400.0), ("review", 40.0))
            for factor in (0.5, 1.0, 2.0)
        ),
        rate_sensitivity=tuple(
            RateRow(
                risk_rate=rate,
                medium_share=0.2,
                high_share=rate,
                high_precision=None if rate < 0.01 else 0.6,
                high_recall=0.4,
                medium_cut=0.1,
                high_cut=0.5,
                loss_per_customer=100 * rate,
            )
            for rate in (0.005, 0.05, 0.1875)
        ),
        sample_rate=SUSPENDED / CUSTOMERS,
        portfolio_rate=SUSPENDED / CUSTOMERS,
        rate_source="No portfolio rate is configured, so the labelled sample's own rate holds.",
        medium=0.2,
        high=0.6,
        default_costs=("missed_risky", "review"),
        explanation="A review pays from 2% on; an off-boarding where the loss outweighs the lost customer.",
    )


def _example() -> Example:
    return Example(
        customer="golden-7",
        profile={"country_of_residence": "FR", "occupation": "not stated", "is_pep": "no"},
        transactions=3,
        transaction_rows=5,
        first="2024-08-01",
        last="2024-08-03",
        amount=1200.0,
        features=6,
        missing=1,
        base=-2.0,
        others=-0.25,
        reasons=(
            ExampleReason(feature="night_share", text="67% of the transactions were at night", contribution=1.75),
            ExampleReason(feature="declined_share", text="33% of the transactions were declined", contribution=0.9),
        ),
        probability=0.599,
        segment="high",
        action="propose_off_boarding",
        patterns=(ExamplePattern(code="PASS_THROUGH", text="1,100 EUR that came in left again within 24 hours."),),
    )


def _segments(probabilities, labels) -> Segments:
    edges = {"low": (0.0, 0.2), "medium": (0.2, 0.6), "high": (0.6, 1.1)}
    actions = {"low": "none", "medium": "review", "high": "propose_off_boarding"}
    rows = []
    for segment, (low, high) in edges.items():
        inside = (probabilities >= low) & (probabilities < high)
        n, bad = inside.sum() / REPEATS, (inside & labels).sum() / REPEATS
        rows.append(
            SegmentRow(
                segment=segment,
                action=actions[segment],
                lowest=low,
                customers=float(n),
                share=float(n / CUSTOMERS),
                suspended=float(bad),
                observed_rate=_interval(bad / n, 0.05),
            )
        )
    features = tuple(
        SegmentFeature(
            feature=name, unit="share", medians={"low": 0.1, "medium": 0.25, "high": None if at == 3 else 0.7512}
        )
        for at, name in enumerate(FEATURES)
    )
    return Segments(rows=tuple(rows), features=features)


def _fairness(probabilities, labels, random):
    slices = {
        "gender": tuple(random.choice(["F", "M"], CUSTOMERS, p=[0.4, 0.6]).tolist()),
        "residence": tuple(np.where(labels | (np.arange(CUSTOMERS) % 4 > 0), "FR", "PF").tolist()),
        "age band": tuple(random.choice(["18 to 24", "25 to 34", "50 and over"], CUSTOMERS).tolist()),
    }
    return tuple(
        fairness(
            decision,
            suspended=labels,
            flagged=probabilities >= cut,
            probabilities=probabilities,
            slices=slices,
            minimum=5,
            shuffles=500,
        )
        for decision, cut in (("review or more", 0.2), ("propose off-boarding", 0.6))
    )


@pytest.fixture(scope="session")
def results() -> RunResults:
    """The results of a run."""
    return made()


@pytest.fixture(scope="session")
def bare(results: RunResults) -> RunResults:
    """The results of a run without any optional part, and with no computable metric."""
    nothing = Interval(estimate=None)
    replace = msgspec.structs.replace
    lost = dict.fromkeys(METRICS, nothing)
    return replace(
        results,
        data=replace(results.data, first_event=None, last_event=None, months=(), weeks=(), traps=()),
        distributions=(),
        contenders=tuple(replace(each, metrics=lost, metrics_by_repeat={}) for each in results.contenders[:1]),
        differences=(),
        strata=(),
        calibration_bins=(),
        decisions=replace(
            results.decisions,
            decision_curve=(),
            cost_sensitivity=(),
            rate_sensitivity=(),
            strategies=tuple(
                replace(
                    each,
                    **dict.fromkeys(
                        ("precision", "recall", "f1", "flagged_share", "net_benefit", "loss_per_customer"), nothing
                    ),
                    saved_per_customer=nothing,
                    roi=nothing,
                )
                for each in results.decisions.strategies
            ),
        ),
        segments=replace(results.segments, features=()),
        criteria=(),
        time_view=replace(results.time_view, parts=(), weeks=()),
        learning_curve=(),
        importance=(),
        shap=ShapSample(features=(), contributions=(), values=()),
        tuning=replace(results.tuning, trials=()),
        leaks=(),
        selection=(),
        limits=(),
        timings=(),
        fairness=(),
        notes=(),
        proposed=None,
        without_transactions=None,
        example=None,
        imprint=Imprint(),
    )


@pytest.fixture(scope="session")
def day() -> date:
    """The day for computing ages."""
    return date(2024, 9, 30)


@pytest.fixture(scope="session")
def page_of(results: RunResults) -> str:
    """The page, rendered once."""
    from customer_risk.model.report.pages import page

    return page(results)


@pytest.fixture(scope="session")
def words_of():
    """A function that returns all text of a section, including folds and tables."""
    return _words


def _words(section) -> str:
    return "\n".join([section.title, *(text for block in section.blocks for text in _said(block))])


def _said(block) -> list[str]:
    tell = {
        "paragraph": lambda: [block.text],
        "heading": lambda: [block.text],
        "steps": lambda: [f"{lead} {text}" for lead, text in block.items],
        "note": lambda: [f"{block.title} {block.text}"],
        "bullets": lambda: [f"{lead} {text}" for lead, text in block.items],
        "tiles": lambda: [f"{tile.label}: {tile.value}; {tile.detail} {tile.badge}".strip() for tile in block.tiles],
        "picture": lambda: [f"{block.caption} {block.badge}".strip(), block.alt],
        "table": lambda: [
            f"{block.caption} {block.badge}".strip(),
            " | ".join(column.title for column in block.columns),
            *(" | ".join(f"{cell.main} {cell.below}".strip() for cell in row) for row in block.rows),
            block.note,
        ],
        "fold": lambda: [block.title, *(text for inner in block.blocks for text in _said(inner))],
    }
    return tell[block.kind]()
