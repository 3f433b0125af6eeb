"""The leak guard: refuses features and splits that reveal the outcome, and features that scoring can't compute.

It tests a feature function, from canonical customers and events to a feature table: it changes the tables in ways that
must not change any feature, and compares the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from customer_risk.model.errors import FeatureError, LeakError
from customer_risk.model.evaluation.metrics import auc_of_feature
from customer_risk.model.evaluation.results import Finding
from customer_risk.model.features.frame import FeatureTable
from customer_risk.model.training.splits import customer_folds, refuse_overlap

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

FeatureFunction = Callable[[pl.DataFrame, pl.DataFrame], FeatureTable]

SAMPLE = 2000  # maximum number of examined customers: enough to find a dependence, and fast for large tables
DATES = ("created_at", "completed_at")


def check_sides(train: Sequence[str], test: Sequence[str]) -> Finding:
    """Refuse (a) a split with a customer on both sides, or twice on one side."""
    refuse_overlap(train, test)
    return Finding(
        check="a",
        title="No customer is on both sides of a split",
        examined=len(train) + len(test),
        result="every customer is on one side",
    )


def check_others(features: FeatureFunction, customers: pl.DataFrame, events: pl.DataFrame) -> Finding:
    """Refuse (b) a feature whose value changes when only other customers' data, or the data's end, changes.

    The features are computed again for each half of the customers, and for all customers with an added customer whose
    event is far after the end.
    """
    when = "when only other customers' data, or the data's end, changes"
    remedy = (
        "Compute it only from the customer's own rows, and measure times from the customer's own last activity. A "
        "suspended customer stops because of the suspension, so the time since then reveals the label."
    )
    whole = features(customers, events)
    for kept in (customers.gather_every(2), customers.gather_every(2, offset=1)):
        if not kept.is_empty():
            alone = features(kept, events.join(kept.select("customer_id"), on="customer_id", how="semi"))
            _refuse_moved(whole.rows(_positions(whole, alone.ids)), alone, when, remedy)
    stranger = "\uffff stranger"
    later = features(
        pl.concat([customers, customers.head(1).with_columns(customer_id=pl.lit(stranger))]),
        pl.concat([events, _moved(events.head(1), timedelta(weeks=520)).with_columns(customer_id=pl.lit(stranger))]),
    )
    _refuse_moved(whole, later.rows(_positions(later, whole.ids)), when, remedy)
    return Finding(
        check="b",
        title="No value depends on other customers or on the data's end",
        examined=len(whole.names),
        result="the values for half of the customers, and with a later end of the data, are identical",
    )


def check_calendar(features: FeatureFunction, customers: pl.DataFrame, events: pl.DataFrame) -> Finding:
    """Refuse (c) a feature whose value changes when all dates of a customer are shifted by whole weeks."""
    ids = customers["customer_id"]
    weeks = pl.DataFrame({"customer_id": ids, "weeks": [(7 * place) % 61 - 30 or 31 for place in range(len(ids))]})
    span = pl.duration(weeks="weeks")
    moved_events = events.join(weeks, on="customer_id", how="left", maintain_order="left").with_columns(
        *(pl.col(name) + span for name in DATES)
    )
    moved_customers = customers.join(weeks, on="customer_id", how="left", maintain_order="left")
    if "date_of_birth" in customers.columns:
        moved_customers = moved_customers.with_columns(pl.col("date_of_birth") + span)
    whole = features(customers, events)
    _refuse_moved(
        whole,
        features(moved_customers.drop("weeks"), moved_events.drop("weeks")),
        "when all of a customer's dates are shifted by whole weeks",
        "Use times between the customer's own events. Customers who joined late haven't been detected yet, so dates "
        "reveal the label.",
    )
    return Finding(
        check="c",
        title="No value depends on absolute calendar time",
        examined=len(whole.names),
        result="shifting each customer's dates by a different number of weeks changes no value",
    )


def check_outcome_events(
    features: FeatureFunction, customers: pl.DataFrame, events: pl.DataFrame, types: Collection[str]
) -> Finding:
    """Refuse (d) a feature that depends on events of `types`, which the bank makes because of the outcome."""
    whole = features(customers, events)
    marked = pl.col("type").is_in(list(types))
    _refuse_moved(
        whole,
        features(customers, events.filter(~marked)),
        f"when the bank's own events ({', '.join(sorted(types))}) are removed",
        "Exclude these types from the feature (training.excluded_types): they are a trace of the outcome.",
    )
    return Finding(
        check="d",
        title="No value depends on events that the bank makes because of the outcome",
        examined=len(whole.names),
        result=f"removing {events.select(marked.sum()).item()} rows of type {', '.join(sorted(types)) or 'none'} "
        "changes no value",
    )


def check_sources(sources: Mapping[str, Collection[str]], available: Collection[str] | None) -> Finding:
    """Refuse (e) a feature whose source column the tables to score lack; `available` is None without such tables."""
    title = "The tables to score have the source columns of every feature"
    if available is None:
        return Finding(
            check="e", title=title, examined=0, result="not examined: the folder has no tables of customers to score"
        )
    absent = {name: sorted(set(needed) - set(available)) for name, needed in sources.items()}
    broken = {name: needed for name, needed in absent.items() if needed}
    if broken:
        listed = "; ".join(f"{name} needs {', '.join(needed)}" for name, needed in sorted(broken.items()))
        raise FeatureLeak(
            f"{len(broken)} features need columns that the tables to score don't have: {listed}.",
            remedy="Leave them out of training.optional_features, list them in training.left_out_features, "
            "or map the columns in the scoring tables.",
        )
    return Finding(check="e", title=title, examined=len(sources), result="no column is missing")


def check_single(
    table: FeatureTable, suspended: NDArray[np.bool_], *, greatest: float, allowed: Mapping[str, str]
) -> Finding:
    """Refuse (f) a feature whose own ROC-AUC is above `greatest`, unless it is allowed with a reason."""
    found = {name: auc_of_feature(suspended, table.values[:, at]) for at, name in enumerate(table.names)}
    suspect = {name: auc for name, auc in found.items() if auc > greatest}
    refused = {name: auc for name, auc in suspect.items() if not allowed.get(name, "").strip()}
    if refused:
        listed = ", ".join(f"{name} (ROC-AUC {auc:.3f})" for name, auc in sorted(refused.items()))
        raise LeakError(
            f"These features alone separate the labels with a ROC-AUC above {greatest}: {listed}.",
            remedy="They probably reveal the outcome. Remove them, or allow each with a reason in leaks.allow.",
        )
    best = max(found, key=lambda name: found[name])
    return Finding(
        check="f",
        title="No feature alone separates the labels implausibly well",
        examined=len(found),
        result=f"the best feature is {best} with a ROC-AUC of {found[best]:.3f}; the limit is {greatest}",
        allowed={name: allowed[name] for name in suspect},
    )


class FeatureLeak(LeakError, FeatureError):
    """A feature that training can compute and scoring can't."""


def guard(
    features: FeatureFunction,
    customers: pl.DataFrame,
    events: pl.DataFrame,
    *,
    sources: Mapping[str, Collection[str]],
    available: Collection[str] | None,
    outcome_types: Collection[str],
    greatest_auc: float,
    allowed: Mapping[str, str],
    folds: int,
    seed: int,
) -> tuple[Finding, ...]:
    """Run every check on the labelled tables, on a sample if they have more than `SAMPLE` customers.

    `customers`, with `suspended`, and `events` are canonical. Raises LeakError if a check fails.
    """
    suspended = customers["suspended"].to_numpy()
    ids = customers["customer_id"].to_list()
    sides = [
        check_sides([ids[i] for i in fold.train], [ids[i] for i in fold.test])
        for fold in customer_folds(ids, suspended, folds=folds, seed=seed)
    ]
    some = customers if customers.height <= SAMPLE else customers.sample(SAMPLE, seed=seed).sort("customer_id")
    own = events.join(some.select("customer_id"), on="customer_id", how="semi")
    return (
        sides[0],
        check_others(features, some, own),
        check_calendar(features, some, own),
        check_outcome_events(features, some, own, outcome_types),
        check_sources(sources, available),
        check_single(features(customers, events), suspended, greatest=greatest_auc, allowed=allowed),
    )


def _moved(events: pl.DataFrame, by: timedelta) -> pl.DataFrame:
    return events.with_columns(*(pl.col(name) + by for name in DATES))


def _positions(table: FeatureTable, ids: Sequence[str]) -> NDArray[np.int64]:
    place = {one: at for at, one in enumerate(table.ids)}
    return np.array([place[one] for one in ids], dtype=np.int64)


def _refuse_moved(before: FeatureTable, after: FeatureTable, when: str, remedy: str) -> None:
    """Raise LeakError naming each feature of which a value differs; NaN equals NaN."""
    if before.names != after.names or before.ids != after.ids:
        raise LeakError(f"The features' names or customers change {when}.", remedy=remedy)
    same = (before.values == after.values) | (np.isnan(before.values) & np.isnan(after.values))
    moved = [(name, int((~same[:, at]).sum())) for at, name in enumerate(before.names) if not same[:, at].all()]
    if moved:
        listed = ", ".join(f"{name} (for {count} of {len(before.ids)} customers)" for name, count in moved)
        raise LeakError(f"These features' values change {when}: {listed}.", remedy=remedy)
