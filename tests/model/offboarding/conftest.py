"""Cohorts, transactions and scoring runs to test with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from customer_risk.model.scoring.model_features import FeatureSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from customer_risk.model.config import Corroboration
    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.offboarding.scored import Scored
    from customer_risk.model.scoring.bundle import Bundle

START = datetime(2024, 6, 3, 9, 0, tzinfo=UTC)  # a Monday
MADE_AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def settings() -> FeatureSettings:
    """The feature settings of a bundle."""
    return FeatureSettings(lookback_days=180, max_transactions=10_000, excluded_types=("MANUAL",))


@pytest.fixture(scope="session")
def make_events() -> Callable[..., pl.DataFrame]:
    """Return a function that makes events from rows: customer, id, hours, type, direction, amount[, state]."""

    def make(*rows: tuple[Any, ...]) -> pl.DataFrame:
        return pl.DataFrame(
            [
                {
                    "id": row[1],
                    "customer_id": row[0],
                    "state": row[6] if len(row) > 6 else "COMPLETED",
                    "type": row[3],
                    "direction": row[4],
                    "amount": float(row[5]),
                    "currency": "EUR",
                    "created_at": START + timedelta(hours=row[2]),
                    "completed_at": None,
                }
                for row in rows
            ],
            schema={
                "id": pl.String,
                "customer_id": pl.String,
                "state": pl.String,
                "type": pl.String,
                "direction": pl.String,
                "amount": pl.Float64,
                "currency": pl.String,
                "created_at": pl.Datetime("us", "UTC"),
                "completed_at": pl.Datetime("us", "UTC"),
            },
        )

    return make


@pytest.fixture(scope="session")
def make_customers() -> Callable[..., pl.DataFrame]:
    """Return a function that makes customers who live in one country; None is an unknown country."""

    def make(*ids: str, country: str | None = "FR") -> pl.DataFrame:
        return pl.DataFrame({"customer_id": sorted(ids)}, schema={"customer_id": pl.String}).with_columns(
            pl.lit(country, pl.String).alias("country_of_residence")
        )

    return make


@pytest.fixture(scope="session")
def make_transactions(make_events, make_customers, settings) -> Callable[..., pl.DataFrame]:
    """Return a function that makes collapsed transactions from the rows of `make_events`."""
    from customer_risk.model.offboarding.transactions import collapse

    def make(*rows: tuple[Any, ...], country: str | None = "FR") -> pl.DataFrame:
        return collapse(make_customers(*{row[0] for row in rows}, country=country), make_events(*rows), settings)

    return make


@pytest.fixture(scope="session")
def corroboration() -> Corroboration:
    """The section corroboration of the default configuration."""
    from customer_risk.model.config import load_config

    return load_config().corroboration


@pytest.fixture(scope="session")
def scored(tiny_bundle: Path, synthetic: Path, corroboration: Corroboration) -> Scored:
    """The synthetic unlabelled customers, scored."""
    from customer_risk.model.offboarding.scored import score_cohort
    from customer_risk.model.scoring.bundle import load_bundle
    from customer_risk.model.tables.cleaning import load_cohort

    cohort = load_cohort(synthetic, "unlabelled")
    return score_cohort(load_bundle(tiny_bundle), cohort, corroboration)


@pytest.fixture(scope="session")
def without_rule(scored: Scored) -> Bundle:
    """The bundle of `scored` as an earlier release made it: without an action rule."""
    import dataclasses

    import msgspec

    from customer_risk.model.scoring.bundle import make_scorer

    manifest = msgspec.structs.replace(scored.bundle.manifest, action_rule=msgspec.UNSET)
    return dataclasses.replace(scored.bundle, manifest=manifest, scorer=make_scorer(scored.bundle.trees, manifest))


@pytest.fixture(scope="session")
def scoring_run(scored: Scored, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a scoring run, which tests must not change."""
    from customer_risk.model.offboarding.scoring_run import write_run

    folder = tmp_path_factory.mktemp("scoring") / "run"
    write_run(folder, scored, tables={"users_unlabelled.csv": "0" * 64}, cohort="unlabelled", made_at=MADE_AT)
    return folder


@pytest.fixture(scope="session")
def run_record(scoring_run: Path) -> Run:
    """The run's record."""
    from customer_risk.model.offboarding.record import read_run

    return read_run(scoring_run)


@pytest.fixture(scope="session")
def made(scoring_run: Path) -> pl.DataFrame:
    """The off-boarding list as it was made."""
    return pl.read_parquet(scoring_run / "offboarding.parquet")


@pytest.fixture(scope="session")
def decided(made: pl.DataFrame) -> pl.DataFrame:
    """The list with a decision on every line."""
    verdicts = ["off-board", "keep", "review-again"]
    return made.with_columns(
        pl.Series("decision", [verdicts[line % 3] for line in made["line"]]),
        pl.lit("Ann Example").alias("name"),
        pl.lit("2026-01-06").alias("date"),
        pl.lit("Spoke with the customer").alias("note"),
    )
