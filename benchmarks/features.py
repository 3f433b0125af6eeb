# ruff: noqa: INP001  a script
"""Time the feature kernel beside the same features as Polars expressions; prints Markdown tables.

    .venv/bin/python -m benchmarks.features [--customers 20000]

Each runs on one thread (POLARS_MAX_THREADS is set here), with synthetic customers with about 50 transactions each.
"Collapsed" has one row for each transaction, in order of time, as a feature store would have them. "Collapse included"
has shuffled event rows; two transactions in five have two rows. Rates count transactions, not rows. Times are CPU
times: medians of rounds in which all take turns. Exits with 1 if a goal of 10 million (collapsed) or 5 million
transactions a second is missed.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read when Polars is first imported

import click
import numpy as np
import polars as pl

from benchmarks.serving.versions import versions
from customer_risk.model.features.columns import History, Person, encode_columns
from customer_risk.model.features.encoded import NEVER, Encoded
from customer_risk.model.features.frame import encode_frame
from customer_risk.model.features.kernel.compute import compute
from customer_risk.model.features.vocabulary import DIRECTIONS, OCCUPATIONS, REASONS, STATES, TYPES
from tests.oracles.polars_features import features as polars_features

MEAN = 50  # transactions a customer
TWICE = 0.4  # of the transactions have an earlier row with the state PENDING
DAYS = 60
GOALS = {"collapsed": 10e6, "collapse included": 5e6}
CACHED = 1_000  # customers whose columns fit into a processor cache


@click.command(help=__doc__)
@click.option("--customers", default=20_000, show_default=True)
@click.option("--rounds", default=7, show_default=True)
def main(customers: int, rounds: int) -> None:
    """Run the benchmark and print its tables."""
    people, events = tables(customers)
    final = events.sort("customer_id", "created_at", "stage").group_by("id", maintain_order=True).last()
    plain = final.sort("customer_id", "created_at", "amount", maintain_order=True)
    transactions = plain.height
    shuffled = encode_frame(people, events)
    collapsed = encode_frame(people, plain)
    collapsed = renumbered(collapsed)
    some, some_events = people.head(CACHED), events.filter(pl.col("customer_id") < people["customer_id"][CACHED])
    few = encode_frame(some, some_events)
    one = one_customer()
    encoded_one, _ = encode_columns(*one)
    one_people, one_events = tables(1)
    contenders: dict[str, tuple[Callable[[], object], int]] = {
        "collapsed": (lambda: compute(collapsed), transactions),
        "collapse included": (lambda: compute(shuffled), transactions),
        "collapse included, 1,000 customers": (lambda: compute(few), some_events["id"].n_unique()),
        "encoding of the frames alone": (lambda: encode_frame(people, events), transactions),
        "Polars expressions": (lambda: polars_features(some, some_events), some_events["id"].n_unique()),
    }
    spent = turns(contenders, rounds)
    speed = {name: count / spent[name] for name, (_, count) in contenders.items()}
    click.echo(
        "| features offline, one core | transactions a second | ns a transaction | times Polars |\n|---|---|---|---|"
    )
    for name, found in speed.items():
        click.echo(
            f"| {name} | {found / 1e6:,.2f} million | {1e9 / found:,.0f} | {found / speed['Polars expressions']:,.1f} |"
        )
    single: dict[str, tuple[Callable[[], object], int]] = {
        "kernel alone": (lambda: compute(encoded_one), 1),
        "from a request's columns": (lambda: compute(encode_columns(*one)[0]), 1),
        "Polars expressions": (lambda: polars_features(one_people, one_events), 1),
    }
    spent = turns(single, rounds, least=0.2)
    click.echo("\n| one customer, 50 transactions | us | times Polars |\n|---|---|---|")
    for name, seconds in spent.items():
        click.echo(f"| {name} | {seconds * 1e6:,.0f} | {spent['Polars expressions'] / seconds:,.1f} |")
    click.echo(f"\n{versions('numba', 'numpy', 'polars')}")
    missed = [name for name, goal in GOALS.items() if speed[name] < goal]
    if missed:
        sys.exit(f"below the goal: {', '.join(f'{name} {speed[name] / 1e6:.1f} million a second' for name in missed)}")


def turns(contenders: dict[str, tuple[Callable[[], object], int]], rounds: int, least: float = 0.0) -> dict[str, float]:
    """Return the median CPU seconds of each call; each measurement lasts at least `least` seconds."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(rounds + 1):
        for name, (call, _) in contenders.items():
            calls, began = 0, time.process_time()
            while True:
                call()
                calls += 1
                if time.process_time() - began >= least:
                    break
            if round_:  # the first round warms up
                taken[name].append((time.process_time() - began) / calls)
    return {name: statistics.median(found) for name, found in taken.items()}


def renumbered(encoded: Encoded) -> Encoded:
    """Return the transactions with a different id for each, as a store of collapsed rows has them."""
    counts = np.diff(encoded.offsets)
    ids = np.arange(len(encoded.ids)) - np.repeat(encoded.offsets[:-1], counts)
    return replace(encoded, ids=ids)


def tables(customers: int, mean: int = MEAN) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return customers with about `mean` transactions (exactly `mean` for one customer), and shuffled event rows."""
    random = np.random.default_rng(1)
    counts = random.poisson(mean, customers) if customers > 1 else np.array([mean])
    counts = np.maximum(1, counts)
    n = int(counts.sum())
    owner = np.repeat(np.arange(customers), counts)
    kind = random.choice(len(TYPES), n, p=[0.61, 0.12, 0.06, 0.05, 0.04, 0.03, 0.05, 0.02, 0.02])
    inward = np.isin(kind, [2, 4, 7]) | ((kind == 1) & (random.random(n) < 0.5))
    created = (1_720_000_000_000_000 + random.random(n) * DAYS * 86_400e6).astype(np.int64)
    amount = np.round(np.exp(random.normal(3, 1.5, n)), 2)
    state = random.choice(len(STATES), n, p=[0.1, 0.7, 0.03, 0.08, 0.06, 0.03])
    final = pl.DataFrame(
        {
            "id": np.arange(n),
            "customer": owner,
            "state": np.array(STATES)[state],
            "type": np.array(TYPES)[kind],
            "direction": np.where(inward, *DIRECTIONS),
            "amount": np.where((kind == 0) & (random.random(n) < 0.06), 0.0, amount),
            "created": created,
            "completed": np.where(state == 0, NEVER, created + 1_000_000),
            "stage": np.ones(n, np.int64),
        }
    )
    before = final.filter(pl.Series(random.random(n) < TWICE)).with_columns(
        state=pl.lit("PENDING"), completed=pl.lit(NEVER), stage=pl.lit(0, pl.Int64)
    )
    events = (
        pl.concat([final, before])
        .sample(fraction=1.0, shuffle=True, seed=1)
        .select(
            pl.format("t-{}", "id").alias("id"),
            pl.format("c-{}", pl.col("customer").cast(pl.String).str.zfill(8)).alias("customer_id"),
            "state",
            "type",
            "direction",
            "amount",
            pl.lit("EUR").alias("currency"),
            pl.col("created").cast(pl.Datetime("us", "UTC")).alias("created_at"),
            pl.when(pl.col("completed") != NEVER)
            .then("completed")
            .cast(pl.Datetime("us", "UTC"))
            .alias("completed_at"),
            "stage",
        )
    )
    people = pl.DataFrame(
        {
            "customer_id": [f"c-{number:08}" for number in range(customers)],
            "country_of_residence": "FR",
            "phone_number_country_code": "+33",
            "reason_to_use_app": random.choice(REASONS, customers),
            "occupation": random.choice(OCCUPATIONS, customers),
            "kyc_state": "COMPLETED",
            "screening_state": "COMPLETED",
            "document_issuing_country": "FR",
            "locale": "fr_FR",
            "has_biometrics": random.random(customers) < 0.7,
            "is_pep": False,
            "is_adverse_media_minor": False,
        },
        schema_overrides={"has_biometrics": pl.Boolean},
    ).with_columns(date_of_birth=pl.lit(None, pl.Date))
    return people, events


def one_customer(transactions: int = MEAN) -> tuple[Person, History]:
    """Return one customer as in a decoded request: a profile, and `transactions` transactions as columns."""
    people, events = tables(1, transactions)
    rows = events.unique("id", maintain_order=True)
    profile = people.to_dicts()[0]
    created, completed = (
        rows[name].dt.epoch("us").fill_null(NEVER).to_numpy() for name in ("created_at", "completed_at")
    )
    texts = [rows[name].to_list() for name in ("id", "state", "type", "direction")]
    history = History(*texts, rows["amount"].to_list(), created, completed, distinct=True)
    return Person(*[profile.get(name) for name in Person._fields]), history


if __name__ == "__main__":
    main()
