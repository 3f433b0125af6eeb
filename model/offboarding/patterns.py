"""The transaction patterns that can corroborate a high score, each with the transactions that show it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import polars as pl

from customer_risk.model.offboarding.matching import pass_through

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOUR_US: Final = 3_600_000_000
ROUND_THRESHOLDS: Final = (500, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 15_000)  # EUR
WAYS_OUT: Final = ("BANK_TRANSFER", "CRYPTO_ON_RAMP", "PAYMENTS")  # to someone else, and hard to call back

# What a rule's search gives, a row a customer who meets it: the transactions that show it and figures for its sentence.
FOUND: Final = pl.Schema(
    [
        ("customer_id", pl.String()),
        ("ids", pl.List(pl.String())),
        ("count", pl.Int64()),
        ("amount", pl.Float64()),
        ("share", pl.Float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One declared pattern.

    `thresholds` maps each threshold's name to its meaning; the configuration gives the values, and `limits` words
    them in one line. `sentence` tells an investigator what was found, with the thresholds and `{count}` (or
    `{transactions}`, "2 transactions"), `{amount}`, `{share}` of what was found. `why` says why the pattern
    supports a high score. `find` takes transactions (see `transactions.collapse`) and the thresholds, and gives the
    rows of FOUND.
    """

    code: str
    name: str
    limits: str
    sentence: str
    why: str
    thresholds: Mapping[str, str]
    find: Callable[[pl.DataFrame, Mapping[str, float]], pl.DataFrame]


def _moved(direction: str) -> pl.Expr:
    """Money that moved, in the catalogue's terms: in is completed; out is completed, or pending and so committed."""
    states = ("COMPLETED",) if direction == "IN" else ("COMPLETED", "PENDING")
    return (pl.col("direction") == direction) & pl.col("state").is_in(states) & (pl.col("amount") > 0)


def _summed(shown: pl.DataFrame) -> pl.DataFrame:
    """Put the transactions that show a pattern together by customer."""
    return (
        shown.group_by("customer_id", maintain_order=True)
        .agg(pl.col("id").alias("ids"), pl.len().cast(pl.Int64).alias("count"), pl.col("amount").sum())
        .with_columns(pl.lit(None, pl.Float64).alias("share"))
        .select(FOUND.names())
    )


def _bursts(candidates: pl.DataFrame, count: int, hours: float) -> pl.DataFrame:
    """Keep what lies in some stretch of `hours` that holds `count` transactions or more."""
    until = pl.col("time").shift(1 - count) - pl.col("time")
    begins = (until <= pl.duration(microseconds=round(hours * HOUR_US))).fill_null(value=False).cast(pl.Int8)
    covered = begins.rolling_max(count, min_samples=1) == 1
    return candidates.filter(covered.over("customer_id"))  # so that all of the above looks at one customer at a time


def _failed_top_ups(transactions: pl.DataFrame, limits: Mapping[str, float]) -> pl.DataFrame:
    failed = pl.col("state").is_in(["FAILED", "DECLINED", "CANCELLED"])
    tried = transactions.filter((pl.col("type") == "CARD_TOP_UP") & failed)
    return _summed(_bursts(tried, int(limits["count"]), limits["hours"]))


def _velocity(transactions: pl.DataFrame, limits: Mapping[str, float]) -> pl.DataFrame:
    return _summed(_bursts(transactions.filter(pl.col("amount") > 0), int(limits["count"]), limits["hours"]))


def _night(transactions: pl.DataFrame, limits: Mapping[str, float]) -> pl.DataFrame:
    """Bursts no longer than a night, of transactions before `until_hour`: two nights are never one burst."""
    asleep = (pl.col("local").dt.hour() < limits["until_hour"]) & (pl.col("amount") > 0)
    return _summed(_bursts(transactions.filter(asleep), int(limits["count"]), limits["until_hour"]))


def _just_below(transactions: pl.DataFrame, limits: Mapping[str, float]) -> pl.DataFrame:
    near = [
        (pl.col("amount") >= threshold * (1 - limits["margin"])) & (pl.col("amount") < threshold)
        for threshold in ROUND_THRESHOLDS
    ]
    return _summed(_bursts(transactions.filter(pl.any_horizontal(near)), int(limits["count"]), limits["hours"]))


def _large(transactions: pl.DataFrame, limits: Mapping[str, float]) -> pl.DataFrame:
    """Amounts that stand out among the customers' greatest ones; the customers scored together are the population."""
    moved = transactions.filter(_moved("IN") | _moved("OUT"))
    greatest = moved.group_by("customer_id").agg(pl.col("amount").max())["amount"]
    usual = greatest.quantile(limits["quantile"], "higher")
    return _summed(moved.filter(pl.col("amount") >= max(limits["amount"], usual or 0.0)))


def _passed(
    transactions: pl.DataFrame, limits: Mapping[str, float], *, sources: pl.Expr, ways: tuple[str, ...], of: str
) -> pl.DataFrame:
    """Money from `sources` that left by `ways` within `hours`; `of` is the side whose total the share is taken of."""
    moved = transactions.filter((_moved("IN") & sources) | (_moved("OUT") & pl.col("type").is_in(ways)))
    side = {way: pl.col("amount").filter(pl.col("direction") == way).sum().over("customer_id") for way in ("IN", "OUT")}
    moved = moved.with_columns(
        side[of].alias("_total"),
        pl.min_horizontal(side.values()).alias("_most"),
        pl.when(pl.col("direction") == "IN").then("amount").otherwise(-pl.col("amount")).alias("_signed"),
    ).filter(pl.col("_most") >= limits["amount"])  # most customers can't meet the rule, and needn't be matched
    window = round(limits["hours"] * HOUR_US)
    customers, totals, ids = (moved[name].to_list() for name in ("customer_id", "_total", "id"))
    moves = list(zip(moved["time"].to_physical().to_list(), moved["_signed"].to_list(), strict=True))
    rows, start = [], 0
    for length in moved["customer_id"].rle().struct.field("len").to_list():
        matched, took_part = pass_through(moves[start : start + length], window)
        share = matched / totals[start]
        if matched >= limits["amount"] and share >= limits["share"]:
            shown = [ids[start + position] for position in took_part]
            rows.append((customers[start], shown, len(shown), matched, share))
        start += length
    return pl.DataFrame(rows, schema=FOUND, orient="row")


_HOURS: Final = "length of the stretch of time, in hours"
_COUNT: Final = "how many transactions at least"

PATTERNS: Final[tuple[Pattern, ...]] = (
    Pattern(
        code="PASS_THROUGH",
        name="Money passes through",
        limits="{share} or more of all money in, at least {amount}, gone within {hours} hours",
        sentence="{amount} that came in left again within {hours} hours by transfer, payment or crypto purchase: "
        "{share} of all money in.",
        why="An account that only hands money on does the work of a mule account; whoever lives from an account leaves "
        "money on it or spends it with a card.",
        thresholds={
            "hours": _HOURS,
            "share": "share of all money in that left again, at least",
            "amount": "EUR that left again, at least",
        },
        find=partial(_passed, sources=pl.lit(value=True), ways=WAYS_OUT, of="IN"),
    ),
    Pattern(
        code="CRYPTO_FED_AT_ONCE",
        name="Crypto bought with money just come in",
        limits="{share} or more of all crypto purchases, at least {amount}, paid with money of the last {hours} hours",
        sentence="{amount} that came in was turned into crypto within {hours} hours: {share} of all crypto purchases.",
        why="Crypto is the quickest way to put stolen money out of reach of a recall.",
        thresholds={
            "hours": _HOURS,
            "share": "share of crypto purchases paid with money that had just come in, at least",
            "amount": "EUR so turned into crypto, at least",
        },
        find=partial(_passed, sources=pl.col("type") != "CRYPTO_OFF_RAMP", ways=("CRYPTO_ON_RAMP",), of="OUT"),
    ),
    Pattern(
        code="FAILED_TOP_UPS",
        name="Card top-ups that fail in a row",
        limits="{count} or more within {hours} hours",
        sentence="{count} card top-ups failed, {threshold_count} or more within {hours} hours; {amount} was tried.",
        why="One failed top-up is a typing error; a row of them may be somebody trying out cards that aren't theirs.",
        thresholds={"count": _COUNT, "hours": _HOURS},
        find=_failed_top_ups,
    ),
    Pattern(
        code="VELOCITY_BURST",
        name="Many transactions at once",
        limits="{count} or more within {hours} hour(s), amounts of 0 left out",
        sentence="{count} transactions in bursts of {threshold_count} or more within {hours} h, {amount} altogether.",
        why="People pay now and then; scripts, and thieves who drain an account before it is blocked, don't.",
        thresholds={"count": _COUNT, "hours": _HOURS},
        find=_velocity,
    ),
    Pattern(
        code="NIGHT_BURST",
        name="A burst of transactions at night",
        limits="{count} or more in one night, from midnight to {until_hour}:00 where the customer lives",
        sentence="{count} transactions in bursts of {threshold_count} or more between midnight and {until_hour}:00 "
        "where the customer lives, {amount} altogether.",
        why="Takeovers and cash-outs are run while the account's owner sleeps.",
        thresholds={
            "count": _COUNT,
            "until_hour": "the night goes from midnight to this hour, in the residence's time",
        },
        find=_night,
    ),
    Pattern(
        code="JUST_BELOW_ROUND",
        name="Amounts just below round thresholds",
        limits="{count} or more within {hours} hours, each at most {margin} below one of the round thresholds",
        sentence="{count} amounts within {margin} below a round threshold, {threshold_count} or more of them within "
        "{hours} hours; {amount} altogether.",
        why="Amounts are cut to stay below the limits where banks look closer.",
        thresholds={
            "count": _COUNT,
            "hours": _HOURS,
            "margin": "share of the threshold that an amount may lie below it",
        },
        find=_just_below,
    ),
    Pattern(
        code="LARGE_AMOUNT",
        name="Amounts far beyond the usual",
        limits="{amount} or more, and larger than the largest transaction of {quantile} of customers",
        sentence="{transactions} of {threshold_amount} or more, larger than the largest ones of {quantile} of "
        "customers; {amount} altogether.",
        why="One large payment gone wrong costs more than years of margin; it deserves a look before the next one.",
        thresholds={
            "amount": "EUR of one transaction, at least",
            "quantile": "share of customers whose greatest transaction is smaller",
        },
        find=_large,
    ),
)
