"""A made-up customer from the bundle's golden rows, as an example that shows no customer of the tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from customer_risk.model.evaluation.results import Example, ExamplePattern, ExampleReason
from customer_risk.model.scoring.segments import BY_STRENGTH, SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from customer_risk.model.scoring.golden import GoldenRow


def work_through(rows: Sequence[GoldenRow], base: float) -> Example | None:
    """Return the golden customer with the strongest action and the highest probability; None without a usable row.

    `base` is the scorer's expected log-odds without any feature. Rows with transactions as columns, or with features
    instead of a profile, are skipped, because they repeat other rows. Probabilities of 0 and 1 are skipped, because
    their log-odds are infinite.
    """
    usable = [
        row
        for row in rows
        if isinstance(row["request"].get("transactions"), list) and 0 < row["answer"]["probability"] < 1
    ]
    if not usable:
        return None
    return _example(max(usable, key=lambda row: _rank(row["answer"])), base)


def _rank(answer: dict[str, Any]) -> tuple[int, int, float]:
    return BY_STRENGTH.index(answer["action"]), SEGMENTS.index(answer["segment"]), answer["probability"]


def _example(row: GoldenRow, base: float) -> Example:
    request, answer = row["request"], row["answer"]
    events, probability = request["transactions"], answer["probability"]
    days = sorted(event["created_at"][:10] for event in events)
    reasons = tuple(
        ExampleReason(feature=each["feature"], text=each["investigator_text"], contribution=each["contribution"])
        for each in answer["reasons"]
    )
    patterns = answer.get("patterns")
    total = math.log(probability / (1 - probability))
    return Example(
        customer=request["customer_id"],
        profile={name: _worded(value) for name, value in request["profile"].items()},
        transactions=len({event["id"] for event in events}),
        transaction_rows=len(events),
        first=days[0] if days else None,
        last=days[-1] if days else None,
        amount=max((float(event["amount"]) for event in events), default=0.0),
        features=len(answer["features"]),
        missing=sum(value is None for value in answer["features"].values()),
        base=base,
        others=total - base - math.fsum(each.contribution for each in reasons),
        reasons=reasons,
        probability=probability,
        segment=answer["segment"],
        action=answer["action"],
        patterns=None
        if patterns is None
        else tuple(ExamplePattern(code=each["code"], text=each["investigator_text"]) for each in patterns),
    )


def _worded(value: object) -> str:
    if value is None:
        return "not stated"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
