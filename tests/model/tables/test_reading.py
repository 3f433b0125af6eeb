"""Reading of tables."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_risk.model.errors import ColumnMismatch, EmptyTable, TableMissing
from customer_risk.model.tables.mapping import Mapping
from customer_risk.model.tables.parsing import read_flags, read_times
from customer_risk.model.tables.reading import available_columns, cohorts_there, read_cohort, read_table
from customer_risk.model.tables.synthetic import synthesize

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = datetime(2024, 8, 26, 10, 33, 50, 629801, tzinfo=UTC)
ZONELESS = pl.Series([datetime(2024, 8, 26)] * 4)  # noqa: DTZ001  on purpose


def read_time(text: str) -> datetime | None:
    """Return the time that is read from one text."""
    return read_times(pl.Series([text])).item()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-08-26 10:33:50.629801 UTC", MOMENT),
        ("2024-08-26 10:33:50.62 UTC", MOMENT.replace(microsecond=620000)),
        ("2024-08-26 10:33:50 UTC", MOMENT.replace(microsecond=0)),
        ("2024-08-26T10:33:50.629801Z", MOMENT),
        ("2024-08-26t10:33:50.629801z", MOMENT),
        ("2024-08-26T12:33:50.629801+02:00", MOMENT),
        ("2024-08-26 00:33:50.629801-10:00", MOMENT),
        ("2024-08-26T10:33:50.629801", MOMENT),
        ("2024-08-26", None),
        ("2024-02-30T10:33:50Z", None),
        ("26/08/2024 10:33", None),
        ("10:33:50 UTC", None),
    ],
)
def test_times_are_read_in_every_form(text: str, moment: datetime | None) -> None:
    """The form of raw tables and RFC 3339 are read, without a zone as UTC; other texts are unreadable."""
    assert read_time(text) == moment


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  the zone comes with it
    st.integers(0, 6),
    st.integers(-14 * 60, 14 * 60),
)
def test_times_equal_those_of_the_standard_library(moment: datetime, digits: int, minutes: int) -> None:
    """With any digits of the fraction and any zone, the time equals the standard library's."""
    cut = moment.replace(microsecond=moment.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits))
    fraction = f".{cut.microsecond:06d}"[: digits + 1] if digits else ""
    assert read_time(f"{cut:%Y-%m-%d %H:%M:%S}{fraction} UTC") == cut
    zone = timezone(timedelta(minutes=minutes))
    text = cut.astimezone(zone).isoformat()
    assert read_time(text) == datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "flag"),
    [("TRUE", True), ("true", True), ("1", True), ("False", False), ("0", False), ("yes", None), ("Y", None)],
)
def test_flags_are_read_in_every_form(text: str, flag: bool | None) -> None:
    """TRUE, FALSE, 1 and 0 are flags in any case; other words need a mapping."""
    assert read_flags(pl.Series([text])).item() is flag


def test_unreadable_values_are_null_and_listed(bank: Any) -> None:
    """An unreadable value is listed with its row, column and text."""
    bank.transactions_labelled[1]["amount"] = "abc"
    bank.transactions_labelled[2]["created_at"] = "yesterday"
    table = read_table(bank.write(), "transactions", "labelled", Mapping())
    assert table.unreadable.rows() == [(2, "amount", "abc"), (3, "created_at", "yesterday")]
    assert table.frame["amount"][1] is None


def test_an_empty_text_is_null(bank: Any) -> None:
    """An empty field is null, quoted or not."""
    bank.users_labelled[0]["occupation"] = ""
    bank.users_labelled[1]["occupation"] = None
    table = read_table(bank.write(), "users", "labelled", Mapping())
    assert table.frame["occupation"][:2].to_list() == [None, None]


def test_repeated_rows_are_marked(bank: Any) -> None:
    """Rows that equal an earlier row in every column are marked."""
    first = bank.transactions_labelled[0]
    bank.transactions_labelled += [dict(first), first | {"reference_transaction_id": "other"}, dict(first)]
    table = read_table(bank.write(), "transactions", "labelled", Mapping())
    assert table.frame["repeat"].to_list() == [False] * 4 + [True, False, True]


def test_missing_columns_are_named_with_the_extra_ones(bank: Any) -> None:
    """The message has the missing columns and the file's unknown columns."""
    for row in bank.transactions_labelled:
        row["amuont"] = row.pop("amount")
        row["user"] = row.pop("user_id")
    with pytest.raises(
        ColumnMismatch,
        match=r"lacks the columns user_id \(customer_id\), amount; its unknown columns are amuont, user\.",
    ):
        read_table(bank.write(), "transactions", "labelled", Mapping())


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Amount", "Amount"),
        ("AMOUNT", "AMOUNT"),
        (" amount", "' amount'"),
        ("amount\u00a0", "'amount\\xa0'"),
        ("\ufeffamount", "'\\ufeffamount'"),
    ],
)
def test_a_column_in_another_spelling_is_named_with_the_correct_one(bank: Any, written: str, shown: str) -> None:
    """A column that differs in case, blanks or marks is shown first, with the name that is probably meant."""
    for row in bank.transactions_labelled:
        row.update({f"x{at}": "1" for at in range(25)} | {written: row.pop("amount")})
    with pytest.raises(ColumnMismatch) as caught:
        read_table(bank.write(), "transactions", "labelled", Mapping())
    assert f"lacks the column amount; its unknown columns are {shown} (is amount meant?), x0" in str(caught.value)


def test_quoted_numbers_are_read(bank: Any) -> None:
    """A quoted field is read as a number; a quote within a number makes it unreadable."""
    for row, amount in zip(bank.transactions_labelled, "PQRS", strict=True):
        row["amount"] = amount
    path = bank.write() / "transactions_labelled.csv"
    text = path.read_text()
    for amount, quoted in zip("PQRS", ('"12.5"', '" 7"', '"""8"""', '"-3"'), strict=True):
        text = text.replace(f",{amount},", f",{quoted},")
    path.write_text(text)
    table = read_table(bank.folder, "transactions", "labelled", Mapping())
    assert table.frame["amount"].to_list() == [12.5, 7.0, None, -3.0]


def test_optional_columns_can_be_missing(bank: Any) -> None:
    """An optional column that the file lacks is null and listed as absent."""
    table = read_table(bank.write(), "transactions", "unlabelled", Mapping())
    assert table.absent == ("category_id",)
    assert table.frame["category_id"].is_null().all()


def test_columns_without_a_meaning_are_named(bank: Any) -> None:
    """Unknown columns are listed, not refused."""
    bank.users_labelled[0]["favourite_colour"] = "blue"
    assert read_table(bank.write(), "users", "labelled", Mapping()).extra == ("favourite_colour",)


def test_a_table_without_rows_is_refused(bank: Any) -> None:
    """A table with a header only is refused."""
    folder = bank.write()
    header = (folder / "transactions_labelled.csv").read_text().splitlines()[0]
    (folder / "transactions_labelled.csv").write_text(header + "\n")
    with pytest.raises(EmptyTable, match=r"transactions_labelled\.csv has no rows"):
        read_table(folder, "transactions", "labelled", Mapping())


def test_a_missing_table_is_named_with_the_existing_ones(bank: Any) -> None:
    """The missing table is named with the folder's tables."""
    bank.transactions_labelled = []
    with pytest.raises(TableMissing, match=r"transactions_labelled\.csv nor .*; its tables are .*users_labelled\.csv"):
        read_cohort(bank.write(), "labelled")


def test_the_other_cohorts_customers_are_known_if_it_has_a_file(bank: Any) -> None:
    """The other cohort's customers are known if the folder has its users."""
    folder = bank.write()
    assert read_cohort(folder, "unlabelled").others.to_list() == ["a", "b", "c", "d"]
    (folder / "users_labelled.csv").unlink()
    assert read_cohort(folder, "unlabelled").others is None


def test_a_cohort_needs_one_table(bank: Any) -> None:
    """A cohort is found if the folder has one of its tables."""
    bank.users_unlabelled, bank.transactions_unlabelled = [], []
    assert cohorts_there(bank.write()) == ("labelled",)
    with pytest.raises(TableMissing):
        cohorts_there(bank.folder.parent / "nowhere")


def test_available_columns_are_those_of_files_and_constants(bank: Any) -> None:
    """Only the columns of a cohort's files, and constants, are available."""
    folder = bank.write()
    labelled, unlabelled = available_columns(folder, "labelled"), available_columns(folder, "unlabelled")
    assert labelled - unlabelled == {"label", "date_of_birth"}
    assert {"amount", "customer_id", "occupation"} <= unlabelled
    filled = Mapping.from_dict({"transactions": {"constants": {"category_id": "none"}}})
    assert available_columns(folder, "unlabelled", filled) - unlabelled == {"category_id"}


def test_csv_and_parquet_give_equal_tables(tmp_path: Path) -> None:
    """Parquet and CSV give equal tables."""
    for form in ("csv", "parquet"):
        synthesize(tmp_path / form, customers=60, seed=5, risk_rate=0.1, format=form)
    for cohort in ("labelled", "unlabelled"):
        text, typed = (read_cohort(tmp_path / form, cohort) for form in ("csv", "parquet"))
        assert text.users.frame.equals(typed.users.frame)
        assert text.transactions.frame.equals(typed.transactions.frame)
        assert text.others.equals(typed.others)


def parquet(bank: Any, name: str, **columns: pl.Series | pl.Expr) -> None:
    """Write one of the bank's tables as Parquet with some columns of other types."""
    folder = bank.write()
    frame = pl.read_csv(folder / f"{name}.csv", infer_schema=False).with_columns(**columns)
    (folder / f"{name}.csv").unlink()
    frame.write_parquet(folder / f"{name}.parquet")


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("created_at", ZONELESS, datetime(2024, 8, 26, tzinfo=UTC)),
        (
            "created_at",
            ZONELESS.dt.replace_time_zone("Europe/Paris").cast(pl.Datetime("ns", "Europe/Paris")),
            datetime(2024, 8, 25, 22, tzinfo=UTC),
        ),
        ("amount", pl.Series([3, 4, 5, 6], dtype=pl.Int16), 3.0),
        ("id", pl.Series([7, 8, 9, 10]), "7"),
        ("state", pl.Series(["COMPLETED"] * 4, dtype=pl.Categorical), "COMPLETED"),
    ],
)
def test_suitable_types_of_events_are_read(bank: Any, column: str, values: pl.Series, expected: Any) -> None:
    """Times without a zone are UTC, other zones are converted, integers are amounts and ids, categories are text."""
    parquet(bank, "transactions_labelled", **{column: values})
    assert read_table(bank.folder, "transactions", "labelled", Mapping()).frame[column][0] == expected


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("has_biometrics", pl.Series([1, 0, 1, 0], dtype=pl.Int8), True),
        ("date_of_birth", pl.Series([datetime(1990, 1, 1, 12)] * 4), date(1990, 1, 1)),  # noqa: DTZ001  on purpose
        ("occupation", pl.Series([None] * 4, dtype=pl.Null), None),
    ],
)
def test_suitable_types_of_profiles_are_read(bank: Any, column: str, values: pl.Series, expected: Any) -> None:
    """Integers 0 and 1 are flags, a time has a date, and a column of nulls has any type."""
    parquet(bank, "users_labelled", **{column: values})
    assert read_table(bank.folder, "users", "labelled", Mapping()).frame[column][0] == expected


@pytest.mark.parametrize(
    ("name", "kind", "column", "values"),
    [
        ("transactions_labelled", "transactions", "amount", pl.Series([[1.0]] * 4)),
        ("transactions_labelled", "transactions", "created_at", pl.Series([20240826] * 4)),
        ("transactions_labelled", "transactions", "created_at", pl.Series([date(2024, 8, 26)] * 4)),
        ("users_labelled", "users", "has_biometrics", pl.Series([2, 0, 0, 0])),
        ("users_labelled", "users", "occupation", pl.Series([1.5] * 4)),
    ],
)
def test_wrong_types_are_refused(bank: Any, name: str, kind: Any, column: str, values: pl.Series) -> None:
    """A column of a wrong type is refused with the file, the column, both types and a value."""
    parquet(bank, name, **{column: values})
    with pytest.raises(ColumnMismatch, match=rf"{name}\.parquet: the column {column} is .*, not .*first value"):
        read_table(bank.folder, kind, "labelled", Mapping())
