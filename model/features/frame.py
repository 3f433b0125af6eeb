"""Computes the features of all customers of a cohort from canonical tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from customer_risk.model.errors import FeatureError
from customer_risk.model.features import residence
from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.encoded import GREATEST_AMOUNT, NEVER, Encoded
from customer_risk.model.features.kernel.compute import DEFAULTS, Settings, compute
from customer_risk.model.features.vocabulary import (
    DIRECTIONS,
    FIRST,
    KYC_STATES,
    MISSING,
    OCCUPATIONS,
    OTHER,
    REASONS,
    SCREENING_STATES,
    STATES,
    TYPES,
    UNKNOWN_DAY,
)


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Features of customers: `values` is float64[len(ids), len(names)], NaN where missing."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    values: NDArray[np.float64]

    def select(self, names: Sequence[str]) -> FeatureTable:
        """Return the features `names`, in this order. Raises FeatureError that names the unknown ones."""
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise FeatureError(
                f"Unknown features: {', '.join(unknown)}.", remedy="docs/reference/features.md lists every feature."
            )
        places = [self.names.index(name) for name in names]
        return FeatureTable(self.ids, tuple(names), np.ascontiguousarray(self.values[:, places]))

    def rows(self, indices: Sequence[int] | NDArray[np.int64]) -> FeatureTable:
        """Return the customers at `indices`, in this order."""
        return FeatureTable(tuple(self.ids[index] for index in indices), self.names, self.values[np.asarray(indices)])


def feature_table(
    customers: pl.DataFrame, events: pl.DataFrame, settings: Settings = DEFAULTS, *, threads: int = 1
) -> FeatureTable:
    """Compute every feature of the catalogue for each row of `customers`, in their order."""
    values = compute(encode_frame(customers, events), settings, threads=threads)
    return FeatureTable(tuple(customers["customer_id"]), NAMES, values)


def encode_frame(customers: pl.DataFrame, events: pl.DataFrame) -> Encoded:
    """Encode canonical frames: one row a customer, events in any order; events of other customers are left out."""
    return _encode(customers, _numbered(customers, events))


def encode_with_ids(customers: pl.DataFrame, events: pl.DataFrame) -> tuple[Encoded, pl.Series]:
    """Encode canonical frames as `encode_frame` does; return the transaction ids too, that of number n at place n."""
    rows = _numbered(customers, events)
    ids = rows.select("number", "id").unique("number").sort("number")["id"]
    return _encode(customers, rows), ids


def _numbered(customers: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return the customers' events, in the customers' order, with the numbers of the customer and of the id."""
    numbered = customers.select("customer_id").with_row_index("customer")
    return (
        events.join(numbered, on="customer_id", how="inner")
        .with_columns((pl.col("id").rank("dense").cast(pl.Int64) - 1).alias("number"))
        .sort("customer", maintain_order=True)
    )


def _encode(customers: pl.DataFrame, rows: pl.DataFrame) -> Encoded:
    counts = np.bincount(rows["customer"].to_numpy(), minlength=customers.height)
    return Encoded(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ids=rows["number"].to_numpy(),
        created=_microseconds(rows["created_at"]),
        completed=_microseconds(rows["completed_at"]),
        amount=_amounts(rows["amount"]),
        state=_event_codes(rows["state"], STATES),
        type=_event_codes(rows["type"], TYPES),
        direction=_event_codes(rows["direction"], DIRECTIONS),
        profile=_profiles(customers),
    )


def _microseconds(times: pl.Series) -> NDArray[np.int64]:
    return times.dt.epoch("us").fill_null(NEVER).to_numpy()


def _amounts(amounts: pl.Series) -> NDArray[np.float64]:
    values = amounts.cast(pl.Float64).to_numpy() + 0.0  # turns -0.0 into 0.0
    usable = (values >= 0) & (values <= GREATEST_AMOUNT)
    if not usable.all():
        raise FeatureError(
            f"{np.count_nonzero(~usable):,} amounts are missing, below 0, not finite or more than a trillion.",
            remedy="Clean the tables first: customer_risk.model.tables.cleaning.load_cohort does.",
        )
    return values


def _event_codes(names: pl.Series, vocabulary: tuple[str, ...]) -> NDArray[np.int8]:
    codes = {name: code for code, name in enumerate(vocabulary)}
    return names.replace_strict(codes, default=len(vocabulary), return_dtype=pl.Int8).to_numpy()


def _profiles(customers: pl.DataFrame) -> NDArray[np.int32]:
    """Return codes in the order of vocabulary.PROFILE; countries use the same functions as requests."""
    columns = [
        _of_places(customers, residence.utc_offset),
        _categories(customers, "reason_to_use_app", REASONS),
        _categories(customers, "occupation", OCCUPATIONS),
        _categories(customers, "kyc_state", KYC_STATES),
        _categories(customers, "screening_state", SCREENING_STATES),
        _flags(customers, "has_biometrics"),
        _flags(customers, "is_pep"),
        _flags(customers, "is_adverse_media_minor"),
        _of_places(customers, residence.phone_mismatch, "phone_number_country_code"),
        _of_places(customers, residence.document_mismatch, "document_issuing_country"),
        _of_places(customers, residence.overseas),
        _of_places(customers, residence.foreign_locale, "locale"),
        _column(customers, "date_of_birth", pl.Date).cast(pl.Int32).fill_null(UNKNOWN_DAY),
    ]
    return np.ascontiguousarray(np.column_stack([column.to_numpy() for column in columns]).astype(np.int32))


def _column(customers: pl.DataFrame, name: str, type_: pl.DataType | type[pl.DataType]) -> pl.Series:
    """Return a column, or nulls if the table lacks it."""
    if name in customers.columns:
        return customers[name].cast(type_)
    return pl.Series(name, [None] * customers.height, dtype=type_)


def _categories(customers: pl.DataFrame, name: str, vocabulary: tuple[str, ...]) -> pl.Series:
    codes: dict[str | None, int] = {known: FIRST + code for code, known in enumerate(vocabulary)}
    codes |= {None: MISSING, "": MISSING}
    return _column(customers, name, pl.String).replace_strict(codes, default=OTHER, return_dtype=pl.Int32)


def _flags(customers: pl.DataFrame, name: str) -> pl.Series:
    return _column(customers, name, pl.Boolean).cast(pl.Int32).fill_null(residence.UNKNOWN)


def _of_places(customers: pl.DataFrame, function: Callable[..., int], other: str | None = None) -> pl.Series:
    """Apply a function of the residence, and of another column if given, once for each distinct value."""
    names = ["country_of_residence", *([other] if other else [])]
    values = pl.DataFrame([_column(customers, name, pl.String).alias(name) for name in names])
    different = values.unique()
    # An empty country is a missing country, as in a request.
    codes = [function(row[0] or None, *row[1:]) for row in different.iter_rows()]
    coded = different.with_columns(pl.Series("code", codes, dtype=pl.Int32))
    return values.join(coded, on=names, how="left", nulls_equal=True, maintain_order="left")["code"]
