"""The leak guard refuses each kind of leak."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from customer_risk.model.errors import FeatureError, LeakError
from customer_risk.model.features.frame import FeatureTable, feature_table
from customer_risk.model.training import leaks

START = datetime(2024, 7, 1, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def customers() -> pl.DataFrame:
    """Return forty customers, every fourth suspended."""
    ids = [f"c-{number:02d}" for number in range(40)]
    null = pl.lit(None, dtype=pl.String)
    return pl.DataFrame({"customer_id": ids, "suspended": [number % 4 == 0 for number in range(40)]}).with_columns(
        pl.lit("FR").alias("country_of_residence"),
        *(
            null.alias(name)
            for name in (
                "phone_number_country_code",
                "reason_to_use_app",
                "occupation",
                "kyc_state",
                "screening_state",
                "gender",
                "document_issuing_country",
                "locale",
            )
        ),
        *(pl.lit(True).alias(name) for name in ("has_biometrics", "is_pep", "is_adverse_media_minor")),  # noqa: FBT003  a column's value
        pl.Series("date_of_birth", [date(1950 + number, 1, 1) for number in range(40)]),
    )


@pytest.fixture(scope="module")
def events(customers: pl.DataFrame) -> pl.DataFrame:
    """Return three to five events per customer, and a MANUAL one for suspended customers."""
    rows = []
    for at, (one, suspended) in enumerate(customers.select("customer_id", "suspended").iter_rows()):
        kinds = ["CARDS"] * (3 + at % 3) + ["MANUAL"] * suspended
        for place, kind in enumerate(kinds):
            created = START + timedelta(days=at, hours=7 * place * (1 + at % 5))
            rows.append(
                {
                    "id": f"{one}-{place}",
                    "customer_id": one,
                    "state": "COMPLETED",
                    "type": kind,
                    "direction": "OUT",
                    "amount": 10.0 + at + place,
                    "currency": "EUR",
                    "created_at": created,
                    "completed_at": created + timedelta(seconds=30),
                }
            )
    return pl.DataFrame(rows).with_columns(pl.col("created_at", "completed_at").cast(pl.Datetime("us", "UTC")))


def _table(customers: pl.DataFrame, name: str, values: pl.Series | list[float]) -> FeatureTable:
    column = np.asarray(pl.Series(values).cast(pl.Float64).to_numpy(), dtype=np.float64)
    return FeatureTable(tuple(customers["customer_id"]), (name,), column[:, None])


def _per_customer(customers: pl.DataFrame, events: pl.DataFrame, expression: pl.Expr) -> pl.Series:
    found = events.group_by("customer_id").agg(expression.alias("value"))
    return customers.join(found, on="customer_id", how="left", maintain_order="left")["value"]


def recency(customers: pl.DataFrame, events: pl.DataFrame) -> FeatureTable:
    """Return the days from each customer's last event to the end of the data."""
    last = _per_customer(customers, events, pl.col("created_at").max())
    return _table(customers, "recency", (events["created_at"].max() - last).dt.total_days())


def month_of_joining(customers: pl.DataFrame, events: pl.DataFrame) -> FeatureTable:
    """Return the calendar day of each customer's first event."""
    return _table(customers, "first_day", _per_customer(customers, events, pl.col("created_at").min().dt.ordinal_day()))


def manual(customers: pl.DataFrame, events: pl.DataFrame) -> FeatureTable:
    """Return the number of MANUAL events."""
    return _table(customers, "manual_count", _per_customer(customers, events, (pl.col("type") == "MANUAL").sum()))


def spending(customers: pl.DataFrame, events: pl.DataFrame) -> FeatureTable:
    """Return a feature without a leak: the sum of card payments."""
    paid = pl.col("amount").filter(pl.col("type") == "CARDS").sum()
    return _table(customers, "spent", _per_customer(customers, events, paid))


def rank_among_all(customers: pl.DataFrame, events: pl.DataFrame) -> FeatureTable:
    """Return each customer's rank by spending among all customers."""
    return _table(customers, "rank", _per_customer(customers, events, pl.col("amount").sum()).rank())


def label(customers: pl.DataFrame, _: pl.DataFrame) -> FeatureTable:
    """Return the label as a feature."""
    return _table(customers, "label", customers["suspended"].cast(pl.Float64))


def _guard(feature, customers, events, **changes):
    settings = {
        "sources": {},
        "available": None,
        "outcome_types": ["MANUAL"],
        "greatest_auc": 0.97,
        "allowed": {},
        "folds": 5,
        "seed": 1,
    }
    return leaks.guard(feature, customers, events, **(settings | changes))


def test_a_feature_without_a_leak_passes_every_check(customers, events):
    """A sum over the customer's own events passes, and each of the six checks has a finding."""
    findings = _guard(spending, customers, events, available=["amount"], sources={"spent": ("amount",)})
    assert [finding.check for finding in findings] == list("abcdef")
    assert all(finding.examined > 0 for finding in findings)


def test_the_catalogue_passes(customers, events):
    """Every feature of the catalogue, including optional ones, passes the guard."""
    assert len(_guard(feature_table, customers, events, greatest_auc=1.0)) == 6


def test_a_customer_on_both_sides_is_refused():
    """(a) A split with a customer on both sides is refused with the customer's id."""
    with pytest.raises(LeakError, match="c-07"):
        leaks.check_sides(["c-01", "c-07"], ["c-07", "c-09"])


def test_a_repeated_customer_is_refused(customers, events):
    """(a) A customer with two rows is refused."""
    twice = pl.concat([customers, customers.head(1)])
    with pytest.raises(LeakError, match="c-00"):
        _guard(spending, twice, events)


def test_recency_against_the_end_of_the_data_is_refused(customers, events):
    """(b) The days from the last transaction to the data's end, which depends on others, are refused."""
    with pytest.raises(LeakError, match=r"recency.*own last activity"):
        leaks.check_others(recency, customers, events)


def test_recency_is_refused_if_every_half_has_the_end_of_the_data(customers, events):
    """(b) Recency is refused even if each half of the customers has the data's last event."""
    last = events["created_at"].max()
    ends = (
        events.group_by("customer_id", maintain_order=True)
        .last()
        .with_columns(pl.lit(last).alias("created_at"), (pl.col("id") + "-end").alias("id"))
    )
    level = pl.concat([events, ends.select(events.columns)])
    with pytest.raises(LeakError, match="the data's end, changes: recency"):
        leaks.check_others(recency, customers, level)


def test_a_rank_among_customers_is_refused(customers, events):
    """(b) A value that changes if other customers are removed is refused."""
    with pytest.raises(LeakError, match=r"only other customers' data.*rank"):
        leaks.check_others(rank_among_all, customers, events)


def test_absolute_calendar_time_is_refused(customers, events):
    """(c) The calendar day of joining is refused, because it changes if dates are shifted by weeks."""
    with pytest.raises(LeakError, match="whole weeks: first_day"):
        leaks.check_calendar(month_of_joining, customers, events)


def test_a_feature_on_the_banks_own_events_is_refused(customers, events):
    """(d) A count of MANUAL rows is refused."""
    with pytest.raises(LeakError, match=r"MANUAL.*manual_count"):
        leaks.check_outcome_events(manual, customers, events, ["MANUAL"])


def test_an_absent_source_is_refused():
    """(e) Age is refused if the tables to score lack the date of birth."""
    with pytest.raises(LeakError, match="age_years needs date_of_birth") as refusal:
        leaks.check_sources({"age_years": ("date_of_birth",), "spent": ("amount",)}, ["amount"])
    assert isinstance(refusal.value, FeatureError)


def test_without_tables_to_score_sources_are_not_examined():
    """(e) Without tables to score, the finding says that nothing was examined."""
    finding = leaks.check_sources({"spent": ("amount",)}, None)
    assert finding.examined == 0
    assert "not examined" in finding.result


def test_the_label_as_a_feature_is_refused(customers, events):
    """(f) A feature that separates the labels perfectly is refused."""
    with pytest.raises(LeakError, match=r"label \(ROC-AUC 1.000\)"):
        _guard(label, customers, events)


def test_the_inverted_label_is_refused(customers):
    """(f) Separation in the opposite direction is refused, too."""
    turned = _table(customers, "kept", (~customers["suspended"]).cast(pl.Float64))
    with pytest.raises(LeakError, match="kept"):
        leaks.check_single(turned, customers["suspended"].to_numpy(), greatest=0.97, allowed={})


def test_missing_for_one_class_is_refused(customers):
    """(f) A value that is missing exactly for suspended customers is refused."""
    holes = pl.Series([None if one else 1.0 for one in customers["suspended"]]).cast(pl.Float64)
    values = np.array([np.nan if one is None else one for one in holes.to_list()])
    table = FeatureTable(tuple(customers["customer_id"]), ("holes",), values[:, None])
    with pytest.raises(LeakError, match="holes"):
        leaks.check_single(table, customers["suspended"].to_numpy(), greatest=0.97, allowed={})


def test_an_allowed_feature_passes_with_its_reason(customers, events):
    """(f) A feature that is allowed with a reason passes, and the finding has the reason."""
    finding = _guard(label, customers, events, allowed={"label": "a drill"})[-1]
    assert finding.allowed == {"label": "a drill"}


def test_an_empty_reason_does_not_allow_a_feature(customers, events):
    """(f) An empty reason doesn't allow a feature."""
    with pytest.raises(LeakError, match="label"):
        _guard(label, customers, events, allowed={"label": " "})


def test_a_refusal_has_the_number_of_changed_customers(customers, events):
    """The message has the number of customers whose value changed."""
    with pytest.raises(LeakError, match=r"manual_count \(for 10 of 40 customers\)"):
        leaks.check_outcome_events(manual, customers, events, ["MANUAL"])
