"""The results of a training run: the content of `RUN/evaluation.json`, from which the report is made.

They have no customer's id. Sequences over customers (`labels`, `probabilities`, `ShapSample`) are in one shuffled
order. Metrics that can't be computed are None, with the reason in a `note`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from customer_risk.model.evaluation.fairness import Fairness

if TYPE_CHECKING:
    from pathlib import Path


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A point estimate with its confidence interval; the bounds are None if there are too few cases."""

    estimate: float | None
    low: float | None = None
    high: float | None = None


# ---- the run and its data -----------------------------------------------------------------------------------------


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """The origin of the results, with all that is needed to repeat the run."""

    bundle_version: str  # sha256 of the bundle's manifest
    git_commit: str
    data_hash: str
    catalogue_hash: str
    seed: int
    threads: int
    libraries: dict[str, str]
    cpu_family: str
    rates_sha256: str = ""  # of the file of exchange rates; empty if there was none
    commit_date: str = "unknown"  # of the commit, in UTC; results never have the time of the run
    synthetic: bool = False  # every customer's id has the mark of synthetic tables


class Imprint(msgspec.Struct, frozen=True, kw_only=True):
    """The organisation, author and readers of the report, from the configuration; an empty field is not stated."""

    organisation: str = ""
    author: str = ""
    audience: str = ""


class Trap(msgspec.Struct, frozen=True, kw_only=True):
    """A count of one irregularity of the tables, with a sentence about it."""

    key: str
    sentence: str
    count: int


class CohortRow(msgspec.Struct, frozen=True, kw_only=True):
    """Customers who joined in one period (that of their first transaction), and how many of them are suspended."""

    period: str  # "2024-08", "2024-W31", or "no transaction"
    customers: int
    suspended: int
    rate: Interval  # Wilson's interval of the share


class DataSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The training data."""

    customers: int
    suspended: int
    event_rows: int
    transactions: int  # events collapsed by id, excluded types left out
    without_transactions: int
    median_transactions: float
    greatest_transactions: int
    first_event: str | None  # date
    last_event: str | None
    traps: tuple[Trap, ...]
    months: tuple[CohortRow, ...]
    weeks: tuple[CohortRow, ...]


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's histogram by label. `edges` are bin borders in `unit`, on a signed-log scale if `log_scale`."""

    feature: str
    unit: str
    direction: int
    formula: str
    log_scale: bool
    edges: tuple[float, ...]  # one more than the counts
    active: tuple[int, ...]
    suspended: tuple[int, ...]
    missing_active: int
    missing_suspended: int
    median_active: float | None
    median_suspended: float | None
    auc: float | None  # of this feature alone; 0.5 is guessing


# ---- the comparison -----------------------------------------------------------------------------------------------


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """One procedure evaluated in the shared folds. `key`: xgboost, logistic_regression, random_forest or dummy.

    `probabilities[r][i]` is the out-of-fold calibrated probability of customer i in repeat r, at the sample's own risk
    rate. `flagged[r][i]`: at or above the greatest-F1 threshold that was chosen inside the training folds.
    """

    key: str
    title: str
    probabilities: tuple[tuple[float, ...], ...]
    flagged: tuple[tuple[bool, ...], ...]
    metrics: dict[str, Interval]  # keys and titles: METRICS
    metrics_by_repeat: dict[str, tuple[float | None, ...]]
    note: str = ""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of XGBoost minus that of a baseline, on the same resamples of customers."""

    baseline: str
    metric: str
    difference: Interval


class Stratum(msgspec.Struct, frozen=True, kw_only=True):
    """The shipped procedure's metrics among a part of the customers, such as those who joined in one month."""

    period: str
    customers: int
    suspended: int
    metrics: dict[str, Interval]
    note: str = ""


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One alternative of a measurement; all alternatives use the same folds."""

    key: str
    title: str
    metrics: dict[str, Interval]
    note: str = ""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement of alternatives, and the choice that follows from it; `arms[0]` is shipped.

    `differences` are the metrics of the other arms minus those of the shipped arm, by arm key.
    """

    question: str
    arms: tuple[Arm, ...]
    differences: dict[str, dict[str, Interval]]
    conclusion: str


# ---- calibration, thresholds, money -------------------------------------------------------------------------------


class CalibrationBin(msgspec.Struct, frozen=True, kw_only=True):
    """One equal-count bin of out-of-fold probabilities, over all repeats."""

    predicted: float
    observed: Interval
    customers: int  # cases over all repeats, divided by the repeats


class RateRow(msgspec.Struct, frozen=True, kw_only=True):
    """How the shipped cut-offs perform at another risk rate of the portfolio."""

    risk_rate: float
    medium_share: float  # of all customers
    high_share: float
    high_precision: float | None
    high_recall: float | None
    medium_cut: float  # the cut-offs that the loss matrix gives at this rate
    high_cut: float
    loss_per_customer: float  # EUR


class Confusion(msgspec.Struct, frozen=True, kw_only=True):
    """Mean counts over repeats, out of fold."""

    true_positive: float
    false_positive: float
    false_negative: float
    true_negative: float


class Strategy(msgspec.Struct, frozen=True, kw_only=True):
    """One way to choose the cut-off, evaluated out of fold with cut-offs chosen inside the training folds.

    `key`: max_f1, recall, least_cost, segments (the shipped Low, Medium and High; with `medium_threshold`) or
    no_customer (no customer is flagged).
    `threshold` is chosen on the whole sample. Money is EUR per customer of the portfolio; `net_benefit` is that of
    Vickers (true positives minus weighted false positives, per customer); `roi` is (avoided loss - spent) / spent.
    """

    key: str
    title: str
    threshold: float | None
    medium_threshold: float | None
    confusion: Confusion
    precision: Interval
    recall: Interval
    f1: Interval
    flagged_share: Interval
    reviews_per_week: float
    net_benefit: Interval
    loss_per_customer: Interval
    saved_per_customer: Interval  # compared with flagging no customer
    roi: Interval
    shipped: bool = False


class DecisionPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Net benefit of the model and of flagging every customer at one threshold probability; without flags it is 0."""

    threshold: float
    model: float
    everybody: float


class CostRow(msgspec.Struct, frozen=True, kw_only=True):
    """One changed cost: the resulting cut-offs, and each strategy's saving (EUR per customer) and return."""

    cost: str
    factor: float
    value: float
    medium_cut: float
    high_cut: float
    saved: dict[str, float]  # by strategy key
    roi: dict[str, float | None]


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """The cut-offs, their source, costs and savings."""

    costs: dict[str, float]
    customers_per_week: float
    customers_per_week_source: str
    strategies: tuple[Strategy, ...]
    decision_curve: tuple[DecisionPoint, ...]
    cost_sensitivity: tuple[CostRow, ...]
    rate_sensitivity: tuple[RateRow, ...]
    sample_rate: float
    portfolio_rate: float
    rate_source: str  # one sentence about the risk rate in use
    medium: float  # the shipped cut-offs, on the portfolio's probability
    high: float
    explanation: str
    default_costs: tuple[str, ...] = ()  # prices that have their default values
    costs_confirmed_by: str = ""

    @property
    def unconfirmed(self) -> bool:
        """Whether a price has its default and the prices are not confirmed."""
        return bool(self.default_costs) and not self.costs_confirmed_by


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """One declared transaction pattern that corroborates a High segment, and its thresholds in words."""

    code: str
    name: str
    why: str
    thresholds: str


class SegmentFeature(msgspec.Struct, frozen=True, kw_only=True):
    """The median of one feature in each segment."""

    feature: str
    unit: str
    medians: dict[str, float | None]  # by segment; None if every value is missing


class SegmentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One segment, out of fold: its size, the observed share of suspended customers, and the action."""

    segment: str
    action: str
    lowest: float  # probability
    customers: float  # mean over repeats
    share: float
    suspended: float
    observed_rate: Interval


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """The High customers whom the action rule proposes because they show enough patterns, out of fold."""

    customers: float  # mean over repeats
    suspended: float
    observed_rate: Interval


class Segments(msgspec.Struct, frozen=True, kw_only=True):
    """Low, Medium and High: sizes, rates and medians of features."""

    rows: tuple[SegmentRow, ...]
    features: tuple[SegmentFeature, ...]


# ---- one customer ---------------------------------------------------------------------------------------------------


class ExampleReason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason of the example's score; `contribution` is in log-odds."""

    feature: str
    text: str
    contribution: float


class ExamplePattern(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction pattern of the example, with the sentence that an investigator reads."""

    code: str
    text: str


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A made-up customer of the bundle's golden rows, from the profile to the action; no table contains it.

    The log-odds of the probability are the sum of `base`, the contributions of `reasons`, and `others` (the
    contributions of all other features).
    """

    customer: str
    profile: dict[str, str]
    transactions: int
    transaction_rows: int
    first: str | None  # date
    last: str | None
    amount: float  # EUR: the largest transaction
    features: int
    missing: int  # features without a value
    base: float
    others: float
    reasons: tuple[ExampleReason, ...]
    probability: float
    segment: str
    action: str
    patterns: tuple[ExamplePattern, ...] | None  # None: the bundle has no action rule


# ---- views over time and size -------------------------------------------------------------------------------------


class TimePart(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the split in time order by first transaction; with metrics if it has ten customers of each label."""

    part: str  # "train 70%", "validate 15%", "test 15%"
    first: str | None
    last: str | None
    customers: int
    suspended: int
    metrics: dict[str, Interval] | None


class TimeView(msgspec.Struct, frozen=True, kw_only=True):
    """Training on the earlier customers and testing on the later ones, if there are enough of each label."""

    parts: tuple[TimePart, ...]
    weeks: tuple[CohortRow, ...]
    meaning: str


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The procedure trained on a number of customers."""

    customers: float
    suspended: float
    metrics: dict[str, Interval]


# ---- the model ----------------------------------------------------------------------------------------------------


class Importance(msgspec.Struct, frozen=True, kw_only=True):
    """One feature of the shipped model."""

    feature: str
    unit: str
    direction: int
    mean_abs_contribution: float  # log-odds, out of fold
    permutation: Interval  # fall of average precision when its values are shuffled among customers, out of fold
    selection_frequency: float  # share of the outer folds whose selection kept it


class ShapSample(msgspec.Struct, frozen=True, kw_only=True):
    """Out-of-fold customers' contributions (log-odds) and feature values, for the summary plot; None is missing."""

    features: tuple[str, ...]
    contributions: tuple[tuple[float, ...], ...]
    values: tuple[tuple[float | None, ...], ...]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One of Optuna's trials. `value` is None if it was pruned."""

    number: int
    params: dict[str, float | int | str]
    value: float | None
    state: str  # complete, pruned
    averaged: bool = False  # whether its booster is part of the shipped model


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """The search for the shipped model's parameters."""

    objective: str
    budget: str
    trials: tuple[Trial, ...]
    chosen: dict[str, float | int | str]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check of the leak guard and its result. It has passed: a run that the guard refuses has no results."""

    check: str  # a to f
    title: str
    examined: int  # features or customers
    result: str
    allowed: dict[str, str] = {}


class Selected(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the selection for one feature."""

    feature: str
    kept: bool  # in the shipped model
    frequency: float  # over the outer folds
    reason: str = ""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of the results."""

    title: str
    text: str


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Wall time of one stage."""

    stage: str
    seconds: float


# ---- the whole ----------------------------------------------------------------------------------------------------

METRICS: dict[str, str] = {
    "average_precision": "Average precision",
    "roc_auc": "ROC-AUC",
    "average_precision_pooled": "Average precision (folds pooled)",
    "roc_auc_pooled": "ROC-AUC (folds pooled)",
    "brier": "Brier score",
    "calibration_error": "Calibration error (10 equal-count bins)",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "recall_at_precision_80": "Recall at 80% precision",
    "recall_at_precision_90": "Recall at 90% precision",
}
LOWER_IS_BETTER: frozenset[str] = frozenset({"brier", "calibration_error"})


def in_words(metric: str) -> str:
    """Return a metric's title as part of a sentence; names such as ROC-AUC, F1 and Brier keep their capitals."""
    title = METRICS.get(metric, metric)
    return title if title.startswith(("ROC", "F1", "Brier")) else title[:1].lower() + title[1:]


class RunResults(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a run. `contenders[0]` is the shipped procedure; `notes` are warnings at the top of the report."""

    provenance: Provenance
    data: DataSummary
    features: tuple[str, ...]  # of the shipped model, in the bundle's order
    parameters: dict[str, float | int | str]
    excluded_types: tuple[str, ...]
    folds: int
    repeats: int
    interval_method: str  # how the intervals were computed, with the source
    point_method: str  # how the point estimates were computed
    confidence: float
    labels: tuple[bool, ...]
    distributions: tuple[Distribution, ...]
    contenders: tuple[Contender, ...]
    differences: tuple[Difference, ...]
    strata: tuple[Stratum, ...]
    excluded: Measurement  # with and without the excluded types' events
    weighting: Measurement  # class weights against invented or repeated minority rows
    calibration: Measurement  # calibration methods
    calibration_bins: tuple[CalibrationBin, ...]
    decisions: Decisions
    segments: Segments
    time_view: TimeView
    learning_curve: tuple[CurvePoint, ...]
    importance: tuple[Importance, ...]
    shap: ShapSample
    tuning: Tuning
    leaks: tuple[Finding, ...]
    selection: tuple[Selected, ...]
    limits: tuple[Limit, ...]
    timings: tuple[Timing, ...]
    fairness: tuple[Fairness, ...] = ()  # one per decision: review or more, propose off-boarding
    criteria: tuple[Criterion, ...] = ()  # patterns that an off-boarding needs, in addition to High
    criteria_minimum: int = 1  # how many of them a customer must show
    action_rule: int = 2  # version of the rule that turns segment and patterns into an action
    proposed: Proposed | None = None
    without_transactions: Stratum | None = None  # the shipped procedure among customers without a transaction
    example: Example | None = None
    imprint: Imprint = Imprint()
    notes: tuple[str, ...] = ()


def dumps(results: RunResults) -> bytes:
    """Return the results as JSON."""
    return msgspec.json.format(msgspec.json.encode(results), indent=1)


def load(path: Path) -> RunResults:
    """Read the results from `evaluation.json`."""
    return msgspec.json.decode(path.read_bytes(), type=RunResults)
