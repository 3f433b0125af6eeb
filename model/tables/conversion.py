"""Converts amounts in other currencies to EUR by a table of rates, and counts rows without a rate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from customer_risk.model.escaping import shortened
from customer_risk.model.tables.schema import CURRENCY

if TYPE_CHECKING:
    from customer_risk.model.tables.rates import Rates

CONVERSIONS: Final = pl.Schema(
    {
        "row": pl.UInt32,
        "id": pl.String,
        "customer_id": pl.String,
        "currency": pl.String,
        "amount": pl.Float64,
        "eur_per_unit": pl.Float64,
        "rate_day": pl.Date,
        "amount_eur": pl.Float64,
    }
)
_CODE: Final = re.compile(r"[A-Z]{3}")
_WITHOUT_RATES: Final = "Convert them first, or name a table of rates by day in the mapping (rates: {file: rates.csv})."
_MOST_NAMED: Final = 5
_SHOWN: Final = 20  # characters of a currency in a message
_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Conversion:
    """The rows of a table that are in other currencies.

    currencies   number of rows by currency as written in the file, without EUR
    conversions  CONVERSIONS: one row for each converted row, with its number in the file
    lacking      currency and day of creation (text) of rows without a rate; each pair once, with its first `row`
    rates        the rates that converted them; None if the mapping names no rates
    """

    currencies: dict[str, int]
    conversions: pl.DataFrame
    lacking: pl.DataFrame
    rates: Rates | None

    def describe(self) -> str:
        """Return which rows are not in EUR, and what to do about those without a rate; empty if all are in EUR."""
        if not self.currencies:
            return ""
        return f"{self._describe()}{_spelling(self.currencies)}"

    def _describe(self) -> str:
        count = sum(self.currencies.values())
        sentence = f"{_rows(count)} not in {CURRENCY}: {_named(self.currencies)}."
        if self.rates is None:
            return f"{sentence} {_WITHOUT_RATES}"
        left = count - self.conversions.height
        converted = f"{sentence} {self.conversions.height:,} are converted by {self.rates.where}"
        if not left:
            return f"{converted}."
        pairs = self.lacking.head(_EXAMPLES).rows(named=True)
        examples = ", ".join(
            f"{shortened(pair['currency'], _SHOWN)} on {pair['day']} (row {pair['row']:,})" for pair in pairs
        )
        more = f" and {self.lacking.height - len(pairs):,} more" if self.lacking.height > len(pairs) else ""
        days = f"their day or the {self.rates.most_days} days before it"
        lacking = f"{left:,} {'has' if left == 1 else 'have'} no rate for {days}"
        return f"{converted}; {lacking}: {examples}{more}. Add these rates."


def convert(events: pl.DataFrame, rates: Rates | None) -> tuple[pl.DataFrame, Conversion]:
    """Return the event rows with amounts converted to EUR, and a record of the conversions.

    The amount in EUR is amount * eur_per_unit. The rate is that of the row's day of creation in UTC, or of the latest
    earlier day that is at most `rates.most_days` old. The result isn't rounded: an amount above 0 stays above 0. All
    states of a transaction have the same creation and therefore the same rate. Rows without a rate keep their currency
    and fail `currency_is_eur`.
    """
    foreign = events.filter(pl.col("currency") != CURRENCY).select(
        "row", "id", "customer_id", "currency", "amount", day=pl.col("created_at").dt.date()
    )
    counted = foreign.group_by("currency").len().sort(["len", "currency"], descending=[True, False])
    currencies = dict(counted.iter_rows())
    if rates is None or foreign.is_empty():
        return events, Conversion(currencies, CONVERSIONS.to_frame(), _pairs(foreign), rates)
    rated = (
        foreign.filter(pl.col("day").is_not_null())
        .sort("day")
        .join_asof(
            rates.frame,
            left_on="day",
            right_on="rate_day",
            by="currency",
            strategy="backward",
            tolerance=f"{rates.most_days}d",
            check_sortedness=False,
            coalesce=False,
        )
        .filter(pl.col("rate").is_not_null())
        .with_columns(amount_eur=pl.col("amount") * pl.col("rate"))
        .sort("row")
    )
    conversions = rated.select(
        "row", "id", "customer_id", "currency", "amount", pl.col("rate").alias("eur_per_unit"), "rate_day", "amount_eur"
    ).cast(CONVERSIONS)
    has_rate = pl.col("_rate").is_not_null()
    converted = (
        events.join(rated.select("row", "amount_eur", _rate="rate"), on="row", how="left", maintain_order="left")
        .with_columns(
            amount=pl.when(has_rate).then("amount_eur").otherwise("amount"),
            currency=pl.when(has_rate).then(pl.lit(CURRENCY)).otherwise("currency"),
        )
        .select(events.columns)
    )
    left = foreign.join(rated, on="row", how="anti")
    return converted, Conversion(currencies, conversions, _pairs(left), rates)


def _pairs(foreign: pl.DataFrame) -> pl.DataFrame:
    day = pl.col("day").cast(pl.String).fill_null("an unknown day")
    return foreign.group_by("currency", day).agg(pl.col("row").min()).sort("row", "currency")


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"


def _spelling(currencies: dict[str, int]) -> str:
    """Return how to map the first value that isn't a code of three capital letters, such as eur; empty if all are."""
    odd = next((each for each in currencies if not _CODE.fullmatch(each)), None)
    if odd is None:
        return ""
    shown, meant = shortened(odd, _SHOWN), odd.strip().upper()
    code = meant if _CODE.fullmatch(meant) else CURRENCY
    setting = f"transactions: {{values: {{currency: {{{code}: [{shown!r}]}}}}}}"
    return f" {shown!r} is not a code of three capital letters; if it means {code}, set in the mapping: {setting}."


def _named(currencies: dict[str, int]) -> str:
    named = [f"{count:,} {shortened(currency, _SHOWN)}" for currency, count in list(currencies.items())[:_MOST_NAMED]]
    rest = list(currencies.values())[_MOST_NAMED:]
    return ", ".join([*named, *([f"{sum(rest):,} in {len(rest):,} others"] if rest else [])])
