"""Every pattern with Polars expressions and a queue in Python, written from the guide, not from the compiled search."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import polars as pl

from customer_risk.model.features.catalogue import LOOKBACK_DAYS, MAX_TRANSACTIONS
from customer_risk.model.features.residence import utc_offset
from customer_risk.model.features.vocabulary import UNKNOWN_OFFSET
from customer_risk.model.patterns.definitions import ROUND_THRESHOLDS
from tests.oracles.polars_features import BY, came, failed, final_transactions, own, positive, top_up, went

HOUR_US = 3_600_000_000
CENT = 0.005
WAYS_OUT = ("BANK_TRANSFER", "CRYPTO_ON_RAMP", "PAYMENTS")
MOVED = (came | went) & positive


def transactions(
    customers: pl.DataFrame,
    events: pl.DataFrame,
    *,
    lookback_days: float = LOOKBACK_DAYS,
    most: int = MAX_TRANSACTIONS,
    excluded: tuple[str, ...] = ("MANUAL",),
) -> pl.DataFrame:
    """Return the customers' own transactions; `local` is the time in the residence, or UTC if that is unknown."""
    offsets = {country: utc_offset(country) for country in customers["country_of_residence"].unique().to_list()}
    known = {country: minutes for country, minutes in offsets.items() if minutes != UNKNOWN_OFFSET}
    minutes = pl.col("country_of_residence").replace_strict(known, default=0, return_dtype=pl.Int64)
    return (
        final_transactions(events.join(customers.select(BY), on=BY), lookback_days, most, excluded)
        .filter(own)
        .join(customers.select(BY, minutes.alias("minutes")), on=BY)
        .with_columns(local=(pl.col("created_at") + pl.duration(minutes="minutes")).dt.replace_time_zone(None))
        .sort(BY, "created_at", "direction", "amount", "id")
    )


def find(moves: pl.DataFrame, patterns: Mapping[str, Mapping[str, float]]) -> dict[tuple[str, str], dict[str, object]]:
    """Return each pattern found, by customer and code: ids (in order), count, amount, share, first and last time."""
    searches = {
        "PASS_THROUGH": lambda limits: _passed(moves, limits, came & positive, WAYS_OUT, "IN"),
        "CRYPTO_FED_AT_ONCE": lambda limits: _passed(
            moves, limits, came & positive & (pl.col("type") != "CRYPTO_OFF_RAMP"), ("CRYPTO_ON_RAMP",), "OUT"
        ),
        "FAILED_TOP_UPS": lambda limits: _bursts(moves.filter(top_up & failed), limits),
        "VELOCITY_BURST": lambda limits: _bursts(moves.filter(positive), limits),
        "NIGHT_BURST": lambda limits: _bursts(
            moves.filter(positive, pl.col("local").dt.hour() < limits["until_hour"]),
            {"count": limits["count"], "hours": limits["until_hour"]},
        ),
        "JUST_BELOW_ROUND": lambda limits: _bursts(moves.filter(_near(limits["margin"])), limits),
        "LARGE_AMOUNT": lambda limits: _summed(
            moves.filter(MOVED, pl.col("amount") >= max(limits["amount"], limits["usual"]))
        ),
    }
    found = {}
    for code, limits in patterns.items():
        for customer, shown, amount, share in searches[code](limits):
            found[customer, code] = {
                "ids": shown["id"].to_list(),
                "count": shown.height,
                "amount": amount,
                "share": share,
                "first": shown["created_at"][0],
                "last": shown["created_at"][-1],
            }
    return found


def _near(margin: float) -> pl.Expr:
    return pl.any_horizontal(
        (pl.col("amount") >= threshold * (1 - margin)) & (pl.col("amount") < threshold)
        for threshold in ROUND_THRESHOLDS
    )


def _summed(shown: pl.DataFrame) -> Iterable[tuple[str, pl.DataFrame, float, None]]:
    for (customer,), rows in shown.group_by(BY, maintain_order=True):
        yield str(customer), rows, rows["amount"].sum(), None


def _bursts(candidates: pl.DataFrame, limits: Mapping[str, float]) -> Iterable[tuple[str, pl.DataFrame, float, None]]:
    """Return the transactions in any period of the hours that has at least `count` transactions."""
    count = int(limits["count"])
    until = pl.col("created_at").shift(1 - count) - pl.col("created_at")
    begins = (until <= pl.duration(microseconds=round(limits["hours"] * HOUR_US))).fill_null(value=False)
    covered = begins.cast(pl.Int8).rolling_max(count, min_samples=1) == 1
    return _summed(candidates.filter(covered.over(BY)))


def _passed(
    moves: pl.DataFrame, limits: Mapping[str, float], sources: pl.Expr, ways: tuple[str, ...], of: str
) -> Iterable[tuple[str, pl.DataFrame, float, float]]:
    moved = moves.filter(sources | (went & positive & pl.col("type").is_in(ways)))
    for (customer,), rows in moved.group_by(BY, maintain_order=True):
        total = rows.filter(pl.col("direction") == of)["amount"].sum()
        signed = [
            (time, amount if direction == "IN" else -amount)
            for time, amount, direction in rows.select(
                pl.col("created_at").to_physical(), "amount", "direction"
            ).iter_rows()
        ]
        matched, took_part = pass_through(signed, round(limits["hours"] * HOUR_US))
        if total and matched >= limits["amount"] - CENT and matched / total >= limits["share"] - 1e-9:
            yield str(customer), rows[took_part], matched, matched / total


def pass_through(moves: Iterable[tuple[int, float]], window: int) -> tuple[float, list[int]]:
    """Match money out with money in of at most `window` before, oldest first; return the amount and the positions.

    `moves` are (time, amount) in order of time, with negative amounts out; positions count from 0.
    """
    waiting: deque[list[float]] = deque()  # position, time, unmatched amount
    matched = 0.0
    took_part: set[int] = set()
    for position, (time, amount) in enumerate(moves):
        if amount > 0:
            waiting.append([position, time, amount])
            continue
        out = -amount
        while waiting and time - waiting[0][1] > window:
            waiting.popleft()
        while waiting and out >= CENT:
            taken = min(out, waiting[0][2])
            matched += taken
            out -= taken
            waiting[0][2] -= taken
            took_part |= {int(waiting[0][0]), position}
            if waiting[0][2] < CENT:
                waiting.popleft()
    return matched, sorted(took_part)
