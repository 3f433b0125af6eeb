"""Answers golden requests without serving, for training, the registry and the scoring of tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from customer_risk.model.errors import BundleError
from customer_risk.model.features.columns import History, Person, encode_columns
from customer_risk.model.features.encoded import NEVER
from customer_risk.model.patterns.finder import Finder
from customer_risk.model.scoring.golden import TIMES, Answerer, GoldenRow, golden_request
from customer_risk.model.scoring.model_features import FeatureSettings, ModelFeatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.features.encoded import Encoded
    from customer_risk.model.scoring.scorer import Scorer, Verdict

AGAIN = 3  # customers whose requests are repeated in the other forms of a request
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def golden_rows(
    scorer: Scorer,
    settings: FeatureSettings,
    customers: Iterable[tuple[Mapping[str, object], Sequence[Mapping[str, object]]]],
) -> list[GoldenRow]:
    """Return a golden row for each made-up customer (a profile and transaction rows).

    Times are aware datetimes, or microseconds since 1970. The first AGAIN customers are repeated with their
    transactions as columns, and then with their features instead. The answers are the same, except that no pattern can
    be seen from features.
    """
    answer = golden_answerer(scorer, settings)
    requests = [golden_request(number, *customer) for number, customer in enumerate(customers)]
    rows = [GoldenRow(request=request, answer=answer(request)) for request in requests]
    asked = rows[:AGAIN]
    for row in asked:
        transactions = row["request"]["transactions"]
        if transactions:
            columns = {name: [each.get(name) for each in transactions] for name in transactions[0]}
            rows.append(GoldenRow(request=row["request"] | {"transactions": columns}, answer=row["answer"]))
    for row in asked:
        given = {"customer_id": row["request"]["customer_id"], "features": row["answer"]["features"]}
        action = scorer.action(row["answer"]["segment"], None)
        rows.append(GoldenRow(request=given, answer=row["answer"] | {"action": action, "patterns": None}))
    return rows


def golden_answerer(scorer: Scorer, settings: FeatureSettings) -> Answerer:
    """Return the function that answers a golden request without serving; it raises BundleError for another document."""
    features = ModelFeatures(scorer.names, settings)
    rule = scorer.action_rule
    finder = None if rule is None else Finder(rule.patterns, settings.for_kernel())

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        patterns = None
        try:
            if "features" in request:
                given = request["features"]
                values = np.array([given[name] for name in features.names], np.float64)  # None becomes NaN
            else:
                encoded = encode_request(request)
                values = features.compute(encoded)
                patterns = None if finder is None else finder.find_one(encoded)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(
                f"golden.json: the request {request.get('customer_id')} can't be read: {error!r}.",
                remedy="Make the bundle again with `customer-risk train`.",
            ) from error
        return golden_answer(scorer.judge(values, patterns), features.names, values)

    return answer


def encode_request(request: Mapping[str, Any]) -> Encoded:
    """Encode the profile and the transactions, as rows or as columns, of a valid request."""
    encoded, _ = encode_columns(_person(request["profile"]), _history(request["transactions"]))
    return encoded


def golden_answer(verdict: Verdict, names: Sequence[str], values: NDArray[np.float64]) -> dict[str, Any]:
    """Return the golden answer for the values float64[f] of the features `names`."""
    features = {name: None if math.isnan(value) else value for name, value in zip(names, values.tolist(), strict=True)}
    written = msgspec.json.encode(msgspec.structs.asdict(verdict) | {"features": features})
    return msgspec.json.decode(written, type=dict[str, Any])


def _microseconds(text: str | None) -> int:
    return NEVER if text is None else (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


def _person(profile: Mapping[str, Any]) -> Person:
    fields = {name: profile.get(name) for name in Person._fields}
    born = fields["date_of_birth"]
    return Person(**fields | {"date_of_birth": None if born is None else date.fromisoformat(born)})


def _history(transactions: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]]) -> History:
    """Return the columns of transactions that are rows or columns."""

    def column(name: str) -> Sequence[Any]:
        if isinstance(transactions, Mapping):
            return transactions.get(name) or [None] * len(transactions["id"])
        return [row.get(name) for row in transactions]

    ids = column("id")
    created, completed = ([_microseconds(text) for text in column(name)] for name in TIMES)
    return History(
        ids,
        column("state"),
        column("type"),
        column("direction"),
        column("amount"),
        np.array(created, np.int64),
        np.array(completed, np.int64),
        distinct=len(set(ids)) == len(ids),
    )
