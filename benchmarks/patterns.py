# ruff: noqa: INP001  a script
"""Times the search for transaction patterns, alone and as part of an answer, and that of Polars; prints Markdown.

    .venv/bin/python -m benchmarks.patterns [--customers 1000]

One thread each (POLARS_MAX_THREADS is set here), all seven patterns with the default thresholds. The customers are
those of benchmarks.features, with rows in any order; the peer is the tests' oracle. CPU time, medians of rounds in
which all take turns. Fails if the search for one customer with 50 transactions takes more than 10 us.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TypeAlias

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read when Polars is first imported

import click

from benchmarks.features import one_customer, tables, turns
from benchmarks.serving.versions import versions
from customer_risk.model.config import load_config
from customer_risk.model.features.columns import encode_columns
from customer_risk.model.features.frame import encode_frame
from customer_risk.model.features.kernel.compute import DEFAULTS, compute
from customer_risk.model.patterns.finder import Finder
from customer_risk.model.scoring.freezing import freeze
from tests.oracles import polars_patterns

GOAL_US = 10.0
LENGTHS = (50, 500)
Contenders: TypeAlias = dict[str, tuple[Callable[[], object], int]]


@click.command(help=__doc__)
@click.option("--customers", default=1_000, show_default=True)
@click.option("--rounds", default=7, show_default=True)
def main(customers: int, rounds: int) -> None:
    """Run the benchmark and print its tables."""
    people, events = tables(customers)
    encoded = encode_frame(people, events)
    rule = freeze(load_config().corroboration, encoded, DEFAULTS)
    finder = Finder(rule.patterns, DEFAULTS)
    cohort: Contenders = {
        "ours": (lambda: finder.find(encoded), 1),
        "Polars": (lambda: polars_patterns.find(polars_patterns.transactions(people, events), rule.patterns), 1),
    }
    online: Contenders = {}
    for length in LENGTHS:
        online |= _online(length, finder, Finder({}, DEFAULTS))
    taken = turns(cohort, rounds) | turns(online, rounds, least=0.1)
    polars, ours = taken["Polars"] / customers * 1e6, taken["ours"] / customers * 1e6
    click.echo("| one customer | 50 transactions | 500 transactions |\n|---|---|---|")
    for name, key in (
        ("patterns", "search"),
        ("of which collapsing, sorting and the call", "preparation"),
        ("features, for comparison", "features"),
        ("encoding and features", "without"),
        ("encoding, features and patterns", "with"),
    ):
        click.echo(f"| {name} | " + " | ".join(f"{taken[f'{key} {length}'] * 1e6:.1f} us" for length in LENGTHS) + " |")
    click.echo(
        f"\n| {customers:,} customers of about 50 transactions, evidence included | us a customer | times Polars |"
    )
    click.echo("|---|---|---|")
    click.echo(f"| compiled search | {ours:.1f} | {polars / ours:.0f} |\n| Polars and Python | {polars:.0f} | 1 |")
    click.echo(f"\n{versions('numba', 'numpy', 'polars')}")
    search = taken["search 50"] * 1e6
    if search > GOAL_US:
        sys.exit(f"The search took {search:.1f} us for 50 transactions; the goal is {GOAL_US:.0f} us.")


def _online(length: int, finder: Finder, none: Finder) -> Contenders:
    """Return the functions to time for one customer with `length` transactions; `none` has no patterns."""
    request = one_customer(length)
    one, _ = encode_columns(*request)

    def both() -> object:
        encoded, _ = encode_columns(*request)
        return compute(encoded), finder.find_one(encoded)

    return {
        f"search {length}": (lambda: finder.find_one(one), 1),
        f"preparation {length}": (lambda: none.find_one(one), 1),
        f"features {length}": (lambda: compute(one), 1),
        f"without {length}": (lambda: compute(encode_columns(*request)[0]), 1),
        f"with {length}": (both, 1),
    }


if __name__ == "__main__":
    main()
