"""Makes four synthetic tables with the irregularities of real tables, in memory or as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from customer_risk.model.errors import ConfigError
from customer_risk.model.tables.storage import FORMATS, Format, save
from customer_risk.model.tables.synthetic.activity import act
from customer_risk.model.tables.synthetic.eventlog import log
from customer_risk.model.tables.synthetic.population import Population, populate
from customer_risk.model.tables.synthetic.shift import Shift

LOWEST_RATE, HIGHEST_RATE = 0.005, 0.2
_LABEL = "user_current_state"


@dataclass(frozen=True, slots=True)
class Tables:
    """The four raw tables, typed, with the columns of raw tables."""

    users_labelled: pl.DataFrame
    transactions_labelled: pl.DataFrame
    users_unlabelled: pl.DataFrame
    transactions_unlabelled: pl.DataFrame

    def items(self) -> tuple[tuple[str, pl.DataFrame], ...]:
        """Return the name and the frame of each table."""
        return tuple((name, getattr(self, name)) for name in self.__slots__)


def generate(
    *, customers: int, seed: int, risk_rate: float = 0.1, unlabelled: int | None = None, shift: Shift | None = None
) -> Tables:
    """Make `customers` labelled customers and `unlabelled` customers to score (by default the same number).

    The seed alone decides the content. `risk_rate`, from 0.005 to 0.2, is the exact share of suspended customers, up to
    rounding. Raises ConfigError.
    """
    others = customers if unlabelled is None else unlabelled
    if customers < 2 or others < 1:
        raise ConfigError(
            f"{customers} labelled customers and {others} to score are too few.",
            remedy="Use at least 2 labelled customers and 1 to score.",
        )
    if seed < 0:
        raise ConfigError(f"The seed {seed} is negative.", remedy="Use 0 or a greater number.")
    if not LOWEST_RATE <= risk_rate <= HIGHEST_RATE:
        raise ConfigError(
            f"The risk rate {risk_rate} is outside {LOWEST_RATE} to {HIGHEST_RATE}.",
            remedy="Choose a rate in this range.",
        )
    people_seed, activity_seed, log_seed, file_seed = np.random.SeedSequence(seed).spawn(4)
    people = populate(np.random.default_rng(people_seed), labelled=customers, unlabelled=others, risk_rate=risk_rate)
    events = log(log_seed, people, act(activity_seed, people, shift))
    random = np.random.default_rng(file_seed)
    users = _snapshots(random, people, customers)
    own, foreign = _shared(random, events, customers)
    return Tables(
        users_labelled=_shuffled(random, users.filter(pl.col("customer") < customers)),
        transactions_labelled=_shuffled(random, _repeated(random, own)),
        users_unlabelled=_shuffled(random, users.filter(pl.col("customer") >= customers)).drop(_LABEL, "date_of_birth"),
        transactions_unlabelled=_shuffled(
            random, _repeated(random, pl.concat([events.filter(pl.col("customer") >= customers), foreign]))
        ).drop("category_id"),
    )


def synthesize(
    folder: str | Path,
    *,
    customers: int,
    seed: int,
    risk_rate: float = 0.1,
    unlabelled: int | None = None,
    format: Format = "csv",  # noqa: A002  named as the option of the command
    shift: Shift | None = None,
) -> None:
    """Write the four tables of `generate` into `folder`, each file completely or not at all. Raises ConfigError."""
    if format not in FORMATS:
        raise ConfigError(f"{format!r} is not a table format.", remedy="Use csv or parquet.")
    tables = generate(customers=customers, seed=seed, risk_rate=risk_rate, unlabelled=unlabelled, shift=shift)
    for name, frame in tables.items():
        save(_as_text(frame) if format == "csv" else frame, Path(folder) / f"{name}.{format}")


def _snapshots(random: np.random.Generator, people: Population, labelled: int) -> pl.DataFrame:
    """Return the profiles; some are repeated, some repeated ones change, and a few suspended ones also are ACTIVE."""
    n = len(people.suspended)
    customer = np.arange(n)
    times = np.where(random.random(n) < 0.13, np.minimum(1 + random.geometric(0.75, n), 7), 1)
    twofold = people.suspended & (random.random(n) < 0.08)
    suspended = np.flatnonzero(people.suspended[:labelled])
    if len(suspended) > 1:
        twofold[suspended[0]] = True  # so that small tables have a customer with both labels, too
    times = np.maximum(times, np.where(twofold, 2, 1))
    rows = np.repeat(customer, times)
    snapshot = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    label = np.where(people.suspended[rows] & ~(twofold[rows] & (snapshot == 1)), "SUSPENDED", "ACTIVE")
    changed = (snapshot > 0) & (random.random(len(rows)) < 0.25)
    which = random.integers(0, 3, len(rows))
    other = rows[random.permutation(len(rows))]
    frame = people.profiles[rows].with_columns(pl.Series("customer", rows), pl.Series(_LABEL, label))
    strange = people.profiles[other]
    return frame.with_columns(
        pl.when(pl.Series(changed & (which == place))).then(strange[column]).otherwise(column).alias(column)
        for place, column in enumerate(("reason_to_use_app", "occupation", "locale"))
    )


def _shared(random: np.random.Generator, events: pl.DataFrame, labelled: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the labelled customers' events, and the events of some of them for the other cohort's file."""
    chosen = np.flatnonzero(random.random(labelled) < 0.16)
    own = events.filter(pl.col("customer") < labelled)
    foreign = own.filter(pl.col("customer").is_in(chosen))
    ids = foreign["id"].unique(maintain_order=True)
    only_there = ids.filter(pl.Series(random.random(len(ids)) < 0.005))
    return own.filter(~pl.col("id").is_in(only_there.implode())), foreign


def _repeated(random: np.random.Generator, events: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([events, events.filter(pl.Series(random.random(events.height) < 0.04))])


def _shuffled(random: np.random.Generator, frame: pl.DataFrame) -> pl.DataFrame:
    return frame[random.permutation(frame.height)].drop("customer")


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return times and booleans in the form of raw CSV files: no trailing zeros in the fraction, TRUE and FALSE."""
    times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    return frame.with_columns(
        pl.col(times).dt.to_string("%Y-%m-%d %H:%M:%S%.6f UTC").str.replace(r"\.?0+ UTC$", " UTC"),
        pl.col(pl.Boolean).cast(pl.String).str.to_uppercase(),
    )
