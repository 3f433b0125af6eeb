"""Synthetic tables: the seed, the shape, the irregularities, and a risk that can be learned."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.synthetic import Tables, generate, synthesize

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def tables() -> Tables:
    """A thousand labelled customers and half as many to score."""
    return generate(customers=1_000, unlabelled=500, seed=11, risk_rate=0.15)


@pytest.fixture(scope="module")
def labels(tables: Tables) -> pl.DataFrame:
    """Each labelled customer's label, number of transactions, and time of the first and last one."""
    own = tables.transactions_labelled.filter(pl.col("type") != "MANUAL")
    first, last = pl.col("created_at").min(), pl.col("created_at").max()
    acted = own.group_by("user_id").agg(first=first, last=last, number=pl.col("id").n_unique())
    ever = tables.users_labelled.group_by("user_id").agg(suspended=(pl.col("user_current_state") == "SUSPENDED").any())
    return ever.join(acted, on="user_id", how="left").with_columns(pl.col("number").fill_null(0))


def header(folder: Path, name: str) -> list[str]:
    """Read a CSV file's column names."""
    return (folder / f"{name}.csv").read_text().splitlines()[0].split(",")


@pytest.mark.parametrize(
    "name", ["users_labelled", "transactions_labelled", "users_unlabelled", "transactions_unlabelled"]
)
def test_the_columns_equal_those_of_the_real_tables(hometask: Path, synthetic: Path, name: str) -> None:
    """Each file has the real file's columns, in their order."""
    assert header(synthetic, name) == header(hometask, name)


def test_no_id_is_in_the_real_tables(hometask: Path, tables: Tables) -> None:
    """No id of the real tables is copied."""
    real = pl.read_csv(hometask / "transactions_unlabelled.csv")
    assert not set(tables.transactions_unlabelled["id"]) & set(real["id"])
    assert not set(tables.users_unlabelled["user_id"]) & set(real["user_id"])


def test_the_same_seed_makes_the_same_tables(tables: Tables) -> None:
    """The same seed makes the same tables, another seed makes others."""
    again = generate(customers=1_000, unlabelled=500, seed=11, risk_rate=0.15)
    for (name, frame), (_, other) in zip(tables.items(), again.items(), strict=True):
        assert frame.equals(other), name
    different = generate(customers=1_000, unlabelled=500, seed=12, risk_rate=0.15)
    assert not different.users_labelled.equals(tables.users_labelled)


def test_files_repeat_to_the_byte(tmp_path: Path) -> None:
    """The same seed writes the same bytes."""
    for folder in ("one", "two"):
        synthesize(tmp_path / folder, customers=50, seed=1)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize("rate", [0.005, 0.01, 0.05, 0.2])
def test_the_risk_rate_is_met(rate: float) -> None:
    """The share of customers ever suspended equals the risk rate."""
    users = generate(customers=1_000, unlabelled=10, seed=2, risk_rate=rate).users_labelled
    suspended = users.filter(pl.col("user_current_state") == "SUSPENDED")["user_id"].n_unique()
    assert suspended / users["user_id"].n_unique() == rate


def test_each_cohort_has_the_requested_number_of_customers(tables: Tables) -> None:
    """Each cohort has its number of customers, and no customer is in both."""
    labelled, unlabelled = set(tables.users_labelled["user_id"]), set(tables.users_unlabelled["user_id"])
    assert (len(labelled), len(unlabelled), len(labelled & unlabelled)) == (1_000, 500, 0)


def test_numbers_of_transactions_are_distributed_as_in_real_tables(labels: pl.DataFrame) -> None:
    """A third has no transactions; the others' median is near five and the maximum some hundreds."""
    active = labels.filter(pl.col("number") > 0)["number"]
    assert 0.28 < 1 - len(active) / len(labels) < 0.4
    assert 4 <= active.median() <= 7
    assert 150 < active.max() < 400


def test_suspended_customers_stop_before_the_end_of_the_data(labels: pl.DataFrame, tables: Tables) -> None:
    """Suspension ends activity, so the time to the data's end would reveal the label."""
    end = tables.transactions_labelled["created_at"].max()
    quiet = labels.group_by("suspended").agg(days=(end - pl.col("last")).dt.total_days().median()).sort("suspended")
    active, suspended = quiet["days"]
    assert active < 10
    assert suspended > 25


def test_a_late_overseas_cohort_looks_safe(tables: Tables, labels: pl.DataFrame) -> None:
    """Overseas customers who joined late are rarely suspended: they haven't been detected yet."""
    overseas = tables.users_labelled.filter(pl.col("country_of_residence") != "FR").select("user_id").unique()
    edge = tables.transactions_labelled["created_at"].max() - pl.duration(days=13)
    late = labels.join(overseas, on="user_id").filter(pl.col("first") > edge)
    assert late.height > 30
    assert late["suspended"].mean() < 0.05


def test_manual_rows_are_mostly_of_suspended_customers(tables: Tables, labels: pl.DataFrame) -> None:
    """MANUAL rows are mostly of suspended customers, after their last transaction."""
    manual = tables.transactions_labelled.filter(pl.col("type") == "MANUAL").join(labels, on="user_id")
    assert manual.height >= 5
    assert manual["suspended"].mean() > 0.6
    closed = manual.filter("suspended")
    assert (closed["created_at"] >= closed["last"]).all()


def test_a_transaction_has_one_final_state(tables: Tables) -> None:
    """An id has at most one state other than PENDING, one customer, one created_at and one completed_at."""
    by_id = tables.transactions_labelled.group_by("id").agg(
        endings=pl.col("state").filter(pl.col("state") != "PENDING").n_unique(),
        owners=pl.col("user_id").n_unique(),
        moments=pl.col("created_at").n_unique(),
        completions=pl.col("completed_at").drop_nulls().n_unique(),
    )
    assert by_id["endings"].max() == 1
    assert by_id["owners"].max() == by_id["moments"].max() == by_id["completions"].max() == 1


def test_times_stay_in_the_window(tables: Tables) -> None:
    """All events are created within eighty days, and completed at most milliseconds before their creation."""
    events = pl.concat([tables.transactions_labelled.drop("category_id"), tables.transactions_unlabelled])
    span = events["created_at"].max() - events["created_at"].min()
    assert span.days <= 80
    early = (events["created_at"] - events["completed_at"]).dt.total_microseconds().max()
    assert 0 < early < 10_000


@pytest.mark.parametrize("cohort", ["labelled", "unlabelled"])
def test_every_irregularity_occurs(synthetic: Path, cohort: Any) -> None:
    """Small synthetic tables have each irregularity of the real tables."""
    counts = load_cohort(synthetic, cohort).counts
    met = {
        "repeated_profile_rows",
        "customers_with_changing_profile",
        "customers_without_events",
        "missing_profile_values",
        "cut_phone_codes",
        "overseas_customers",
        "repeated_event_rows",
        "transactions_in_several_states",
        "transactions_still_pending",
        "transactions_with_changed_amount",
        "manual_events",
        "zero_amount_card_checks",
        "zero_amount_fees",
        "completed_before_created",
        "constant_columns",
    }
    met |= {"customers_with_both_labels"} if cohort == "labelled" else {"events_of_other_cohort", "absent_columns"}
    assert {key for key in met if not counts[key]} == set()


def test_other_cohorts_events_are_copies(tables: Tables) -> None:
    """Nearly all of the labelled customers' transactions in the unlabelled file are also in the labelled file."""
    labelled = tables.users_labelled["user_id"].unique()
    foreign = tables.transactions_unlabelled.filter(pl.col("user_id").is_in(labelled.implode()))
    assert 0.05 < foreign.height / tables.transactions_unlabelled.height < 0.4
    shared = foreign["id"].unique().is_in(tables.transactions_labelled["id"].unique().implode())
    assert 0.97 < shared.mean() < 1


def auc(outcome: np.ndarray, score: np.ndarray) -> float:
    """Return the share of pairs that the score orders correctly."""
    risky, safe = score[outcome], score[~outcome]
    return float((risky[:, None] > safe).mean() + 0.5 * (risky[:, None] == safe).mean())


def test_risk_can_be_learned_but_not_perfectly() -> None:
    """Least squares on a few sums ranks unseen customers well, but far from perfectly."""
    tables = generate(customers=2_500, unlabelled=10, seed=4, risk_rate=0.15)
    own = tables.transactions_labelled.filter(pl.col("type") != "MANUAL").unique("id")
    sums = own.group_by("user_id").agg(
        number=pl.len().log1p(),
        greatest=pl.col("amount").max().log1p(),
        nights=pl.col("created_at").dt.hour().is_in([22, 23, 0, 1, 2, 3]).mean(),
        declined=pl.col("state").is_in(["DECLINED", "FAILED"]).mean(),
        crypto=pl.col("type").str.starts_with("CRYPTO").mean(),
        days=pl.col("created_at").dt.date().n_unique().log1p(),
    )
    ever = tables.users_labelled.group_by("user_id").agg(suspended=(pl.col("user_current_state") == "SUSPENDED").any())
    frame = ever.join(sums, on="user_id", how="left").fill_null(0).sort("user_id")
    outcome = frame["suspended"].to_numpy()
    values = np.column_stack([np.ones(len(outcome)), frame.drop("user_id", "suspended").to_numpy()])
    seen, unseen = slice(0, 1_250), slice(1_250, None)
    weights, *_ = np.linalg.lstsq(values[seen], outcome[seen].astype(float), rcond=None)
    assert 0.75 < auc(outcome[unseen], values[unseen] @ weights) < 0.93
    singles = np.array([auc(outcome, values[:, column]) for column in range(1, values.shape[1])])
    assert np.maximum(singles, 1 - singles).max() < 0.9


def test_many_transactions_are_made(record_property) -> None:
    """A quarter of a million rows are made; the seconds that this takes are recorded with the test's result."""
    started = time.perf_counter()
    made = generate(customers=9_000, unlabelled=9_000, seed=1)
    assert made.transactions_labelled.height + made.transactions_unlabelled.height > 200_000
    record_property("seconds", round(time.perf_counter() - started, 2))  # about 1 s on an idle core


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"customers": 1}, r"1 labelled customers and 1 to score are too few"),
        ({"customers": 5, "unlabelled": 0}, r"too few"),
        ({"customers": 50, "risk_rate": 0.3}, r"risk rate 0\.3 is outside 0\.005 to 0\.2"),
        ({"customers": 50, "risk_rate": 0.0}, r"risk rate 0\.0 is outside"),
        ({"customers": 50, "risk_rate": float("nan")}, r"risk rate nan is outside"),
    ],
)
def test_impossible_numbers_are_refused(options: dict[str, Any], message: str) -> None:
    """Impossible numbers of customers and risk rates are refused with the bounds."""
    with pytest.raises(ConfigError, match=message):
        generate(seed=1, **options)


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    """An unknown format is refused, and no folder is made."""
    with pytest.raises(ConfigError, match=r"'xlsx' is not a table format"):
        synthesize(tmp_path / "new", customers=50, seed=1, format="xlsx")
    assert not (tmp_path / "new").exists()


def test_two_customers_have_both_labels() -> None:
    """Two labelled customers have both labels."""
    tables = generate(customers=2, unlabelled=1, seed=1)
    assert set(tables.users_labelled["user_current_state"]) == {"SUSPENDED", "ACTIVE"}
