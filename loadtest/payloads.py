"""Makes requests about synthetic customers: `python -m loadtest.payloads FILE`.

Most have a profile with transactions as rows, some have transactions as columns, some have features; a few are batches,
and a few are faulty and must be refused. Of ten customers, seven are drawn with equal probability, and three in
proportion to their number of transactions, as if each payment caused a request: about 50 transactions a request, from
one to several hundred.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import click
import msgspec
import numpy as np
import polars as pl

from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.columns import Person
from customer_risk.model.features.frame import feature_table
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.synthetic import synthesize
from customer_risk.model.terminal import echo

Kind = Literal["rows", "columns", "features", "batch", "faulty"]

SHARES: Final[dict[Kind, float]] = {"rows": 0.83, "columns": 0.05, "features": 0.1, "batch": 0.01, "faulty": 0.01}
BY_ACTIVITY: Final = 0.3  # of customers; the others are drawn with equal probability
BATCH: Final = (10, 50)  # items
SINGLE: Final = "/ai/v1/risk"
SEVERAL: Final = "/ai/v1/risk:batch"
_TIMES: Final = ("created_at", "completed_at")


class Payload(msgspec.Struct, frozen=True):
    """A request and its expected response: the customer and the status (200 or 422) of each item."""

    kind: Kind
    path: str
    customers: tuple[str, ...]
    statuses: tuple[int, ...]
    body: msgspec.Raw


def make_payloads(count: int, *, seed: int, customers: int = 1000) -> list[Payload]:
    """Return `count` requests about synthetic customers, at least one of each kind; equal seeds give equal requests."""
    chance = np.random.default_rng(seed)
    people = _people(customers, seed)
    active = np.array([len(one["transactions"]) for one, _ in people], float)
    weights = (1 - BY_ACTIVITY) / len(people) + BY_ACTIVITY * active / active.sum()

    def draw() -> tuple[dict[str, Any], dict[str, Any]]:
        return people[int(chance.choice(len(people), p=weights))]

    kinds = list(SHARES)
    drawn = [*kinds, *chance.choice(kinds, max(0, count - len(kinds)), p=list(SHARES.values()))][:count]
    return [_MAKERS[kinds[kinds.index(kind)]](draw, chance) for kind in drawn]


def save_payloads(payloads: Iterable[Payload], file: Path) -> None:
    """Write the requests, one in each line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\n".join(msgspec.json.encode(payload) for payload in payloads))


def load_payloads(file: Path) -> list[Payload]:
    """Return the requests that `save_payloads` wrote."""
    return [msgspec.json.decode(line, type=Payload) for line in file.read_bytes().splitlines()]


_Draw = Callable[[], tuple[dict[str, Any], dict[str, Any]]]


def _rows(draw: _Draw, _: np.random.Generator) -> Payload:
    return _single("rows", draw()[0])


def _columns(draw: _Draw, _: np.random.Generator) -> Payload:
    request = draw()[0]
    rows = request["transactions"]
    return _single("columns", request | {"transactions": {name: [row[name] for row in rows] for name in rows[0]}})


def _features(draw: _Draw, _: np.random.Generator) -> Payload:
    return _single("features", draw()[1])


def _batch(draw: _Draw, chance: np.random.Generator) -> Payload:
    """Return a batch; in one of ten, the last item is faulty and the others must be answered."""
    items = [draw()[0] for _ in range(int(chance.integers(*BATCH, endpoint=True)))]
    statuses = [200] * len(items)
    if chance.random() < 0.1:
        items[-1], statuses[-1] = _spoilt(items[-1], chance), 422
    body = msgspec.Raw(msgspec.json.encode({"requests": items}))
    return Payload("batch", SEVERAL, tuple(item["customer_id"] for item in items), tuple(statuses), body)


def _faulty(draw: _Draw, chance: np.random.Generator) -> Payload:
    return _single("faulty", _spoilt(draw()[0], chance), 422)


def _spoilt(request: dict[str, Any], chance: np.random.Generator) -> dict[str, Any]:
    """Return a request with a mistake that callers make: in a flag, an amount, a currency or a time."""
    first, *others = request["transactions"]
    broken: Sequence[dict[str, Any]] = (
        {"profile": request["profile"] | {"is_pep": "no"}},
        {"transactions": [first | {"amount": -1.0}, *others]},
        {"transactions": [first | {"currency": "USD"}, *others]},
        {"transactions": [first | {"created_at": "yesterday"}, *others]},
    )
    return request | broken[int(chance.integers(len(broken)))]


def _single(kind: Kind, request: dict[str, Any], status: int = 200) -> Payload:
    return Payload(kind, SINGLE, (request["customer_id"],), (status,), msgspec.Raw(msgspec.json.encode(request)))


_MAKERS: Final = {"rows": _rows, "columns": _columns, "features": _features, "batch": _batch, "faulty": _faulty}


def _people(customers: int, seed: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return two requests for each synthetic customer with transactions: one with rows, one with features."""
    with tempfile.TemporaryDirectory() as folder:
        synthesize(Path(folder), customers=customers, seed=seed)
        cohort = load_cohort(Path(folder), "labelled")
    values = feature_table(cohort.customers, cohort.events).values
    profiles = cohort.customers.select("customer_id", *Person._fields).to_dicts()
    events = cohort.events.with_columns(pl.col(_TIMES).dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ")).partition_by(
        "customer_id", as_dict=True, include_key=False
    )
    people = []
    for profile, row in zip(profiles, values, strict=True):
        customer = profile.pop("customer_id")
        if (customer,) in events:
            sent = events[(customer,)].to_dicts()
            raw = {"customer_id": customer, "profile": profile, "transactions": sent, "history_complete": True}
            given = {name: None if np.isnan(value) else value for name, value in zip(NAMES, row.tolist(), strict=True)}
            people.append((raw, {"customer_id": customer, "features": given}))
    return people


@click.command(help=__doc__)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--count", default=600, show_default=True)
@click.option("--seed", default=7, show_default=True)
def main(file: Path, count: int, seed: int) -> None:
    """Write the requests and print their kinds."""
    payloads = make_payloads(count, seed=seed)
    save_payloads(payloads, file)
    size = sum(len(bytes(payload.body)) for payload in payloads) / len(payloads)
    echo(f"{file}: {count} requests, {size / 1024:.1f} KB on average, seed {seed}.")


if __name__ == "__main__":
    main()
