"""The transactions that the features are computed from, one row each, for an analyst."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from customer_risk.model.features.residence import utc_offset
from customer_risk.model.features.vocabulary import STATES, UNKNOWN_OFFSET

if TYPE_CHECKING:
    from customer_risk.model.scoring.model_features import FeatureSettings

BANKS_OWN: Final = ("PROCESSING_FEE", "USER_REWARD")
_RANK: Final = {state: rank for rank, state in enumerate(STATES)}


def collapse(customers: pl.DataFrame, events: pl.DataFrame, settings: FeatureSettings) -> pl.DataFrame:
    """Return a row for each of the customers' own transactions, defined as in the feature catalogue.

    customers, events  canonical frames

    Columns: customer_id, id, type, direction, state and amount in EUR (of the final state), time (of the first event,
    UTC), local (the same time in the residence's standard time; UTC if the residence is unknown). Sorted by customer,
    time, direction (money in first), amount and id. Left out: the excluded types of the settings, the bank's own fees
    and rewards, and transactions before the look-back or beyond the greatest number of transactions.
    """
    own = (
        events.filter(~pl.col("type").is_in([*settings.excluded_types, *BANKS_OWN]))
        .with_columns(pl.col("state").replace_strict(_RANK, default=len(STATES), return_dtype=pl.Int8).alias("_rank"))
        .sort("_rank", "completed_at", "amount", "type", "direction", nulls_last=False)
        .group_by("customer_id", "id")
        .agg(pl.col("type", "direction", "state", "amount").last(), pl.col("created_at").min().alias("time"))
    )
    earliest = pl.col("time").max().over("customer_id") - pl.duration(days=settings.lookback_days)
    newest = pl.col("time").rank("ordinal", descending=True).over("customer_id")
    return (
        own.filter(pl.col("time") >= earliest)
        .sort("customer_id", "time", "direction", "amount", "id")
        .filter(newest <= settings.max_transactions)
        .join(_offsets(customers), on="customer_id", how="left", maintain_order="left")
        .with_columns((pl.col("time") + pl.duration(minutes="_minutes")).dt.replace_time_zone(None).alias("local"))
        .drop("_minutes")
    )


def _offsets(customers: pl.DataFrame) -> pl.DataFrame:
    """Return how many minutes each customer's residence is east of UTC; 0 if it is missing or unknown."""
    countries = customers["country_of_residence"].unique().to_list()
    minutes = {country: utc_offset(country) for country in countries}
    known = {country: offset for country, offset in minutes.items() if offset != UNKNOWN_OFFSET}
    offset = pl.col("country_of_residence").replace_strict(known, default=0, return_dtype=pl.Int64)
    return customers.select("customer_id", offset.alias("_minutes"))
