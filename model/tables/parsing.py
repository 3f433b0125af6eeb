"""Reads columns of text as times, numbers, flags and dates; a text that can't be read becomes null."""

from __future__ import annotations

from typing import Final

import polars as pl

from customer_risk.model.features.encoded import NEVER
from customer_risk.model.features.timestamps import UNREADABLE, read_column

UTC: Final = pl.Datetime("us", "UTC")
_BLANKS: Final = " \t\r\n"
_AT_ONCE: Final = 500_000  # texts joined into one buffer
_MIDNIGHT: Final = r"[ Tt]00:00:00(\.0+)?( ?UTC|[Zz])?$"
_FIRST_DAY, _LAST_DAY = pl.date(1, 1, 1), pl.date(9999, 12, 31)


def read_times(texts: pl.Series) -> pl.Series:
    """Read times as `features.timestamps` does: UTC if there is no zone, truncated to microseconds."""
    parts = [_read_times(texts.slice(first, _AT_ONCE)) for first in range(0, len(texts), _AT_ONCE)]
    return pl.concat([pl.Series([], dtype=UTC), *parts]).rename(texts.name)


def _read_times(texts: pl.Series) -> pl.Series:
    # `read_column` ends a text at each line feed. Replace it by an underscore, which makes the text unreadable.
    joined = texts.fill_null("").str.replace_all("\n", "_", literal=True).str.join("\n").item() + "\n"
    moments = pl.Series(read_column(joined.encode(), len(texts)), dtype=pl.Int64)
    known = (moments != NEVER) & (moments != UNREADABLE)
    return moments.to_frame("t").select(pl.when(known).then(pl.col("t"))).to_series().cast(UTC)


def read_numbers(texts: pl.Series) -> pl.Series:
    """Read finite numbers in ASCII digits without marks of thousands; blanks around them are ignored.

    Numbers that JSON doesn't allow, such as 01.50, +3, .5 and 1., are read too, because banks write them.
    """
    number = pl.col("t").str.strip_chars(_BLANKS).cast(pl.Float64, strict=False)
    return _select(texts, pl.when(number.is_finite()).then(number))


def read_flags(texts: pl.Series) -> pl.Series:
    """Read `true`, `false`, `1` and `0`, in any case."""
    lower = pl.col("t").str.to_lowercase()
    return _select(texts, pl.when(lower.is_in(["true", "1", "false", "0"])).then(lower.is_in(["true", "1"])))


def read_dates(texts: pl.Series) -> pl.Series:
    """Read dates of the years 1 to 9999, written as YYYY-MM-DD, with or without a midnight after them.

    Databases and spreadsheets write the midnight if the column's type is a time.
    """
    date = pl.col("t").str.replace(_MIDNIGHT, "").str.to_date("%Y-%m-%d", strict=False)
    return _select(texts, pl.when(date.is_between(_FIRST_DAY, _LAST_DAY)).then(date))


def _select(texts: pl.Series, read: pl.Expr) -> pl.Series:
    return texts.to_frame("t").select(read.alias("read")).to_series().rename(texts.name)
