"""The lists and the API give a customer the same action on the same patterns."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import polars as pl
import pytest

from customer_risk.serving.decisions.service import Service

MOST = 150  # customers


@pytest.fixture(scope="module")
def answers(scored):
    """The service's answers for every High and Medium customer, and for some Low customers."""
    service = Service("customer-risk")
    service.use(scored.bundle)
    customers = scored.table.sort("probability", "customer_id", descending=[True, False])["customer_id"].head(MOST)
    profiles = {row["customer_id"]: row for row in scored.cohort.customers.iter_rows(named=True)}
    events = scored.cohort.events.partition_by("customer_id", as_dict=True, include_key=False)
    answered = {}
    for customer in customers:
        rows = events.get((customer,))
        request = {
            "customer_id": customer,
            "profile": {k: v for k, v in profiles[customer].items() if k not in {"customer_id", "gender"}},
            "transactions": [] if rows is None else rows.sort("created_at").to_dicts(),
            "history_complete": True,
        }
        answered[customer] = service.answer(msgspec.json.encode(request)).decision
    return answered


def test_action_segment_and_probability_are_those_of_the_service(scored, answers):
    """The service and the lists give the same answer to customers of every list."""
    asked = scored.table.filter(pl.col("customer_id").is_in(list(answers)))
    assert set(asked["list"]) == {"off-boarding", "review: high without corroboration", "review: medium", ""}
    for row in asked.iter_rows(named=True):
        answer = answers[row["customer_id"]]
        assert (row["probability"], row["segment"], row["action"]) == (
            answer.probability,
            answer.segment,
            answer.action,
        )


def test_patterns_are_those_of_the_service_to_the_bit(scored, answers):
    """Codes, counts, amounts and shares agree, and so do the sentences and the times of the evidence."""
    times = {(c, i): t for c, i, t in scored.transactions.select("customer_id", "id", "time").iter_rows()}
    words = scored.criteria.by_code()
    found: dict[str, list[tuple[object, ...]]] = {}
    for customer, code, ids, count, amount, share in scored.patterns.iter_rows():
        moments = [times[customer, one] for one in ids]
        sentence = words[code].tell(count=count, amount=amount, share=share)
        figures = np.array([amount, math.nan if share is None else share]).tobytes()
        ends = tuple(f"{moment.replace(tzinfo=None).isoformat()}Z" for moment in (moments[0], moments[-1]))
        found.setdefault(customer, []).append((code, count, figures, *ends, sentence))
    assert found
    for customer, answer in answers.items():
        told = [
            (
                one.code,
                one.count,
                np.array([one.amount, math.nan if one.share is None else one.share]).tobytes(),
                one.first_at,
                one.last_at,
                one.investigator_text,
            )
            for one in answer.patterns
        ]
        assert told == found.get(customer, [])
