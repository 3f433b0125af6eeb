"""Features of the final states of transactions."""

from __future__ import annotations

from functools import partial

from customer_risk.model.features.feature import EVENTS, NO_TRANSACTION, Feature, feature

_define = partial(
    feature,
    group="outcomes",
    unit="share",
    bounds=(0, 1),
    sources=EVENTS,
    missing=NO_TRANSACTION,
    customer="How many of your transactions succeeded.",
)

FEATURES: tuple[Feature, ...] = (
    _define(
        "declined_share",
        direction=0,
        formula="share of the transactions with final state DECLINED",
        investigator="{value} of the transactions were declined",
        meaning="share of transactions that were declined",
    ),
    _define(
        "failed_share",
        direction=0,
        formula="share of the transactions with final state FAILED",
        investigator="{value} of the transactions failed",
        meaning="share of transactions that failed",
    ),
    _define(
        "cancelled_share",
        direction=0,
        formula="share of the transactions with final state CANCELLED",
        investigator="{value} of the transactions were cancelled",
        meaning="share of transactions that were cancelled",
    ),
    _define(
        "reversed_share",
        direction=0,
        formula="share of the transactions with final state REVERSED",
        investigator="{value} of the transactions were reversed",
        meaning="share of transactions that were reversed",
    ),
    _define(
        "pending_share",
        direction=0,
        sources=(*EVENTS, "completed_at"),
        formula="share of the transactions open at the last activity: final state PENDING, or completed_at after it",
        investigator="{value} of the transactions were still open at the last activity",
        meaning="share of transactions still open at the last activity",
    ),
)
