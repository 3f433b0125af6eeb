"""Clean cohorts out of the raw tables (a first form)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from model.tables.storage import fetch

if TYPE_CHECKING:
    from pathlib import Path

    from model.config import Config

TRAPS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Cohort:
    """Canonical frames and what was met on the way to them."""

    customers: pl.DataFrame
    events: pl.DataFrame
    counts: dict[str, int]


def load_cohort(
    folder: Path,
    cohort: Literal["labelled", "unlabelled"],
    *,
    mapping: Any = None,
    config: Config | None = None,
) -> Cohort:
    """Read and clean one cohort."""
    del mapping, config
    users = fetch(folder, f"users_{cohort}").frame
    events = fetch(folder, f"transactions_{cohort}").frame.unique(maintain_order=True)
    flags = ("has_biometrics", "is_pep", "is_adverse_media_minor")
    if "date_of_birth" not in users.columns:
        users = users.with_columns(date_of_birth=pl.lit(None, dtype=pl.String))
    users = users.with_columns(
        *((pl.col(flag).cast(pl.String).str.to_lowercase() == "true") for flag in flags),
        pl.col("date_of_birth").cast(pl.String).str.to_date(strict=False),
    ).rename({"user_id": "customer_id"})
    label = [(pl.col("user_current_state") == "SUSPENDED").any().alias("suspended")] if cohort == "labelled" else []
    customers = (
        users.group_by("customer_id")
        .agg(pl.all().exclude("session_id", "user_current_state").drop_nulls().mode().sort().first(), *label)
        .sort("customer_id")
    )
    moment = (pl.col(name).str.to_datetime("%Y-%m-%d %H:%M:%S%.f UTC", time_unit="us").dt.replace_time_zone("UTC") for name in ("created_at", "completed_at"))
    events = (
        events.with_columns(*moment, pl.col("amount").cast(pl.Float64))
        .rename({"user_id": "customer_id"})
        .select("id", "customer_id", "state", "type", "direction", "amount", "currency", "created_at", "completed_at")
        .filter(pl.col("customer_id").is_in(customers["customer_id"].implode()))
        .sort("customer_id", "created_at", "id", "state")
    )
    return Cohort(customers, events, {"customers": customers.height, "events": events.height})
