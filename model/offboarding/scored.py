"""Scores a cohort: a row for each customer, with the action and the list that the customer is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from msgspec import UNSET

from customer_risk.model.errors import FeatureError
from customer_risk.model.features import catalogue
from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.frame import FeatureTable, encode_with_ids
from customer_risk.model.features.kernel.compute import compute
from customer_risk.model.features.vocabulary import KYC_STATES, OCCUPATIONS, REASONS, SCREENING_STATES
from customer_risk.model.offboarding.criteria import Criteria, listing
from customer_risk.model.offboarding.transactions import collapse
from customer_risk.model.patterns.finder import Finder
from customer_risk.model.scoring.freezing import freeze

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from customer_risk.model.config import Corroboration
    from customer_risk.model.features.encoded import Encoded
    from customer_risk.model.patterns.finder import Findings
    from customer_risk.model.scoring.bundle import Bundle
    from customer_risk.model.scoring.scorer import Scores
    from customer_risk.model.tables.cleaning import Cohort

REASON_CODES: Final = 5
FEW_TRANSACTIONS: Final = 5
SEPARATOR: Final = "; "
_CATEGORIES: Final = {
    "reason_to_use_app": REASONS,
    "occupation": OCCUPATIONS,
    "kyc_state": KYC_STATES,
    "screening_state": SCREENING_STATES,
}

# A pattern found for one customer: the ids of the transactions that show it, in order of time, and its figures.
FOUND_PATTERNS: Final = pl.Schema(
    [
        ("customer_id", pl.String()),
        ("code", pl.String()),
        ("ids", pl.List(pl.String())),
        ("count", pl.Int64()),
        ("amount", pl.Float64()),
        ("share", pl.Float64()),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A cohort with its scores, all in the order of `cohort.customers`.

    features      every feature of the catalogue
    scores        probabilities and contributions in the order of the bundle's features
    transactions  see transactions.collapse
    patterns      FOUND_PATTERNS: a row for each pattern found, in the rule's order, then by customer
    table         a row for each customer, as in `scores.csv`
    """

    bundle: Bundle
    cohort: Cohort
    criteria: Criteria
    features: FeatureTable
    scores: Scores
    transactions: pl.DataFrame
    patterns: pl.DataFrame
    table: pl.DataFrame


def score_cohort(
    bundle: Bundle,
    cohort: Cohort,
    corroboration: Corroboration,
    *,
    threads: int = 1,
    step: Callable[[str], object] = lambda _: None,
) -> Scored:
    """Score every customer, those without transactions too, and apply the action rule.

    The bundle has the rule. If it has none, `corroboration` is frozen for these customers. `step` is called with the
    name of each step. Raises FeatureError if the tables lack a column that the bundle's features need.
    """
    _refuse_absent_columns(bundle, cohort)
    settings = bundle.manifest.settings
    step("computing features")
    encoded, ids = encode_with_ids(cohort.customers, cohort.events)
    values = compute(encoded, settings.for_kernel(), threads=threads)
    features = FeatureTable(tuple(cohort.customers["customer_id"]), NAMES, values)
    step("scoring")
    scores = bundle.scorer.score(features.select(bundle.manifest.features).values)
    step("searching for transaction patterns")
    transactions = collapse(cohort.customers, cohort.events, settings)
    criteria = _criteria(bundle, corroboration, encoded, threads)
    findings = Finder(criteria.rule.patterns, settings.for_kernel()).find(encoded, threads=threads)
    patterns = found_patterns(findings, cohort.customers["customer_id"], ids)
    table = _table(bundle, cohort, criteria, scores, transactions, patterns)
    return Scored(bundle, cohort, criteria, features, scores, transactions, patterns, table)


def _criteria(bundle: Bundle, corroboration: Corroboration, encoded: Encoded, threads: int) -> Criteria:
    frozen = bundle.manifest.action_rule
    if frozen is not UNSET:
        return Criteria(frozen, "bundle")
    settings = bundle.manifest.settings.for_kernel()
    return Criteria(freeze(corroboration, encoded, settings, threads=threads), "configuration")


def found_patterns(findings: Findings, customers: pl.Series, ids: pl.Series) -> pl.DataFrame:
    """Return rows of FOUND_PATTERNS; `customers` and `ids` map the numbers in the findings to names."""
    shown = pl.DataFrame(findings.evidence, schema=["customer", "pattern", "number"]).with_columns(
        ids.gather(findings.evidence[:, 2]).alias("ids")
    )
    rows = shown.group_by("pattern", "customer", maintain_order=True).agg("ids").sort("pattern", "customer")
    customer, pattern = rows["customer"].to_numpy(), rows["pattern"].to_numpy()
    count, amount, share = findings.figures[customer, pattern].T
    return rows.select(
        customers.gather(customer).alias("customer_id"),
        pl.Series("code", [findings.codes[number] for number in pattern.tolist()], dtype=pl.String),
        "ids",
        pl.Series("count", count.astype(np.int64)),
        pl.Series("amount", amount),
        pl.Series("share", share).fill_nan(None),
    ).match_to_schema(FOUND_PATTERNS)


def _refuse_absent_columns(bundle: Bundle, cohort: Cohort) -> None:
    absent = set(cohort.absent)
    blind = [name for name in bundle.manifest.features if absent & set(catalogue.BY_NAME[name].sources)]
    if blind:
        columns = sorted(absent & {source for name in blind for source in catalogue.BY_NAME[name].sources})
        raise FeatureError(
            f"The tables lack {', '.join(columns)}, which the bundle's features {', '.join(blind)} need.",
            remedy="Add the column (a mapping can rename one), or train a bundle without these features.",
        )


def _table(
    bundle: Bundle,
    cohort: Cohort,
    criteria: Criteria,
    scores: Scores,
    transactions: pl.DataFrame,
    patterns: pl.DataFrame,
) -> pl.DataFrame:
    histories = transactions.group_by("customer_id").agg(
        pl.len().alias("transactions"), pl.col("time").min().alias("first"), pl.col("time").max().alias("last")
    )
    rows = cohort.events.group_by("customer_id").agg(pl.len().alias("history_rows"))
    found = patterns.group_by("customer_id", maintain_order=True).agg(
        pl.col("code").str.join(SEPARATOR), pl.len().alias("_n")
    )
    table = (
        cohort.customers.select("customer_id", _warned(cohort.customers))
        .with_columns(
            pl.Series("probability", scores.probability),
            pl.Series("segment", scores.segment, dtype=pl.String),
            pl.Series("reasons", reason_codes(scores, bundle.manifest.features), dtype=pl.String),
        )
        .join(rows, on="customer_id", how="left", maintain_order="left")
        .join(histories, on="customer_id", how="left", maintain_order="left")
        .join(found, on="customer_id", how="left", maintain_order="left")
        .with_columns(pl.col("history_rows", "transactions", "_n").fill_null(0).cast(pl.Int64))
    )
    actions = [criteria.rule.action(segment, n) for segment, n in zip(scores.segment, table["_n"], strict=True)]
    lists = [listing(action, segment) for action, segment in zip(actions, scores.segment, strict=True)]
    return table.select(
        "customer_id",
        "probability",
        "segment",
        pl.Series("action", actions, dtype=pl.String),
        pl.Series("list", lists, dtype=pl.String),
        "reasons",
        pl.col("code").fill_null("").alias("patterns"),
        "history_rows",
        "transactions",
        pl.col("first").alias("first_transaction"),
        pl.col("last").alias("last_transaction"),
        pl.concat_str(
            pl.when(pl.col("transactions") == 0)
            .then(pl.lit("NO_TRANSACTIONS"))
            .when(pl.col("transactions") < FEW_TRANSACTIONS)
            .then(pl.lit("FEW_TRANSACTIONS")),
            pl.col("_warned"),
            separator=SEPARATOR,
            ignore_nulls=True,
        ).alias("warnings"),
        pl.lit(bundle.version).alias("model_version"),
    )


def codes_in(joined: str | None) -> tuple[str, ...]:
    """Return the codes in a cell of `reasons`, `patterns` or `warnings`."""
    return tuple(code for code in (joined or "").split(SEPARATOR) if code)


def _warned(customers: pl.DataFrame) -> pl.Expr:
    """Return a warning for each column of the profile with an unknown category, which the model reads as `other`."""
    unknown = [
        pl.when(~pl.col(name).is_in(list(known))).then(pl.lit(f"UNKNOWN_CATEGORY {name}"))
        for name, known in _CATEGORIES.items()
        if name in customers.columns
    ]
    joined = pl.concat_str(unknown, separator=SEPARATOR, ignore_nulls=True)
    return pl.when(joined != "").then(joined).alias("_warned")


def reason_codes(scores: Scores, names: Sequence[str], *, n: int = REASON_CODES) -> list[str]:
    """Return each customer's reason codes in the order of `scoring.reasons.top_reasons`, for all customers at once."""
    codes = np.array([catalogue.BY_NAME[name].code for name in names], dtype=np.str_)
    order, sizes = reason_order(scores.contributions, np.array(scores.segment))
    order = order[:, :n]
    there = np.take_along_axis(sizes, order, axis=1) > 0
    return [SEPARATOR.join(row[kept].tolist()) for row, kept in zip(codes[order], there, strict=True)]


def reason_order(
    contributions: NDArray[np.float64], segments: NDArray[np.str_]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the order of the features for each customer, intp[n, f], and their sizes, float64[n, f].

    A size is an absolute contribution, rounded. The order is that of `top_reasons`: the greatest size first, equal
    sizes in the order of the features. In the segments medium and high, features that raise the score come before
    features that lower it. Features of size 0 are not reasons and come last.
    """
    sizes = np.abs(contributions).round(9)
    lowers_last = (segments != "low")[:, np.newaxis] & (contributions < 0)
    nothing_last = sizes == 0
    return np.lexsort((-sizes, lowers_last, nothing_last), axis=1), sizes
