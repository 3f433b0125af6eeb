"""Behaviours that change at a given time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.model.tables.synthetic import BEHAVIOURS, Shift, generate, parse_shift

if TYPE_CHECKING:
    from customer_risk.model.tables.synthetic import Tables

AT = datetime(2024, 8, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def plain() -> Tables:
    """The tables without a shift."""
    return generate(customers=400, seed=3)


def after(tables: Tables) -> pl.DataFrame:
    """Return the transactions of both files created after the shift, one row each, in their last state."""
    events = pl.concat([tables.transactions_labelled.drop("category_id"), tables.transactions_unlabelled])
    late = events.filter(pl.col("created_at") >= AT).sort("id", "completed_at", nulls_last=True)
    return late.unique("id", keep="first", maintain_order=True)


@pytest.mark.parametrize("factor", [0.3, 3.0])
@pytest.mark.parametrize("feature", BEHAVIOURS)
def test_a_shift_changes_nothing_before_its_time(plain: Tables, feature: str, factor: float) -> None:
    """Every row before the shift is identical, ids included; some rows after it differ."""
    shifted = generate(customers=400, seed=3, shift=Shift(feature, AT, factor))
    for name in ("transactions_labelled", "transactions_unlabelled"):
        before = [getattr(tables, name).filter(pl.col("created_at") < AT).unique() for tables in (plain, shifted)]
        assert before[0].sort(pl.all()).equals(before[1].sort(pl.all()))
    assert shifted.users_labelled.drop("user_current_state").height == plain.users_labelled.height
    assert not after(shifted).equals(after(plain))


def share(feature: str, transactions: pl.DataFrame) -> float:
    """Return a measure of a behaviour among transactions."""
    card = transactions.filter(pl.col("type") == "CARDS", pl.col("amount") > 0)
    top_up = transactions.filter(pl.col("type") == "CARD_TOP_UP")
    paid = transactions.filter(pl.col("type").is_in(["CARDS", "BANK_TRANSFER"]))
    hour = transactions["created_at"].dt.hour()  # UTC: a rough measure, but that of most customers
    return {
        "amount": paid["amount"].mean(),
        "night_share": (hour.is_in([22, 23, 0, 1, 2, 3])).mean(),
        "crypto_share": transactions["type"].str.starts_with("CRYPTO").mean(),
        "failed_share": (top_up["state"] == "FAILED").mean(),
        "declined_share": (card["state"] == "DECLINED").mean(),
        "pass_through": (transactions["type"].is_in(["CRYPTO_ON_RAMP", "BANK_TRANSFER"])).mean(),
        "velocity": float(transactions.height),
    }[feature]


@pytest.mark.parametrize("feature", BEHAVIOURS)
def test_a_factor_raises_or_lowers_the_behaviour(plain: Tables, feature: str) -> None:
    """A factor of 0 lowers the behaviour, a factor of 2 raises it."""
    low, high = (generate(customers=400, seed=3, shift=Shift(feature, AT, factor)) for factor in (0.0, 2.0))
    assert share(feature, after(low)) < 0.95 * share(feature, after(plain))
    assert share(feature, after(high)) > 1.05 * share(feature, after(plain))


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("amount=2.0@2024-08-15", Shift("amount", AT, 2.0)),
        ("night-share=0.5@2024-08-15T02:00:00+02:00", Shift("night_share", AT, 0.5)),
        ("velocity = 3 @ 2024-08-15T00:00:00Z", Shift("velocity", AT, 3.0)),
    ],
)
def test_a_shift_is_read_from_text(text: str, shift: Shift) -> None:
    """A date means midnight in UTC; blanks and hyphens are allowed."""
    parsed = parse_shift(text)
    assert (parsed.feature, parsed.at.astimezone(UTC), parsed.factor) == (shift.feature, shift.at, shift.factor)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amount", r"'amount' can't be read.*BEHAVIOUR=FACTOR@DATE"),
        ("amount=much@2024-08-15", r"can't be read"),
        ("amount=2@someday", r"can't be read"),
        ("mood=2@2024-08-15", r"'mood' is not a known behaviour.*night_share"),
        ("amount=-1@2024-08-15", r"not a number >= 0"),
        ("amount=nan@2024-08-15", r"not a number >= 0"),
    ],
)
def test_an_invalid_shift_is_refused(text: str, message: str) -> None:
    """The message has the form, or the known behaviours."""
    with pytest.raises(ConfigError, match=message):
        parse_shift(text)


def test_a_time_without_a_zone_is_refused() -> None:
    """A time without a zone is refused."""
    with pytest.raises(ConfigError, match=r"no time zone"):
        Shift("amount", datetime(2024, 8, 15), 2.0)  # noqa: DTZ001  on purpose
