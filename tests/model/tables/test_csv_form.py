"""The forms of CSV files."""

from __future__ import annotations

import polars as pl
import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.model.tables.csv_form import CsvForm, in_our_form
from customer_risk.model.tables.mapping import Mapping, load_mapping
from customer_risk.model.tables.parsing import UTC, read_dates, read_numbers, read_times

GERMAN = CsvForm(decimal=",", date_format="DD.MM.YYYY")
AMERICAN = CsvForm(date_format="M/D/YYYY")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12,5", 12.5),
        ("-0,25", -0.25),
        ("12", 12.0),
        (" 12,5 ", 12.5),
        ("1,5E+05", 150_000.0),
        ("1.234,56", 1234.56),
        ("12.345.678,9", 12_345_678.9),
        ("1.234.567", 1_234_567.0),
        ("1 234,5", 1234.5),
        ("1\u00a0234\u00a0567,89", 1_234_567.89),
        ("1\u202f234", 1234.0),
        ("1.234", None),  # a thousand, or a decimal point
        ("12.5", None),
        ("1,234.56", None),
        ("1,234,567", None),
        ("1.23,4", None),
        ("1234.567,8", None),
        ("1.234 567,8", None),
        ("1 23,4", None),
        ("12,", 12.0),
        (",5", 0.5),
        ("+12,5", 12.5),
        ("+1.234,5", 1234.5),
        (",", None),
        ("\u0661\u0662,\u0665", None),
        ("1'234,56", None),  # as in Switzerland
        ("1\u2019234,56", None),
        ("12,5 EUR", None),
        ("12,50 \u20ac", None),
        ("\u20ac12,50", None),
        ("12,5 %", None),
        ("(12,5)", None),
        ("12,5-", None),
        ("inf", None),
    ],
)
def test_decimal_commas(text: str, number: float | None) -> None:
    """With decimal commas, points or blanks may separate thousands; ambiguous numbers are unreadable."""
    assert read_numbers(in_our_form(pl.Series([text]), pl.Float64(), GERMAN)).to_list() == [number]


@pytest.mark.parametrize(
    ("form", "text", "date"),
    [
        (GERMAN, "31.12.1989", "1989-12-31"),
        (GERMAN, "1989-12-31", "1989-12-31"),
        (GERMAN, "31.12.1989 00:00:00", "1989-12-31"),
        (GERMAN, "31.12.1989 00:00", "1989-12-31"),
        (GERMAN, "31.12.1989 00:30", None),
        (GERMAN, "1.2.1989", None),
        (GERMAN, "12.31.1989", None),
        (GERMAN, "31.12.89", None),
        (GERMAN, "31/12/1989", None),
        (GERMAN, "30.02.1989", None),
        (AMERICAN, "1/2/1989", "1989-01-02"),
        (AMERICAN, "12/31/1989", "1989-12-31"),
        (AMERICAN, "1/2/1989 0:00", "1989-01-02"),
        (AMERICAN, "31/12/1989", None),
        (CsvForm(date_format="YYYY/MM/DD"), "1989/12/31", "1989-12-31"),
        (CsvForm(), "31.12.1989", None),
    ],
)
def test_dates_are_read_in_the_mappings_form(form: CsvForm, text: str, date: str | None) -> None:
    """A date is read in the mapping's form and in ISO 8601, with or without a midnight after it."""
    (read,) = read_dates(in_our_form(pl.Series([text]), pl.Date(), form)).to_list()
    assert (read and read.isoformat()) == date


@pytest.mark.parametrize(
    ("form", "text", "time"),
    [
        (GERMAN, "31.12.2023 23:59:59", "2023-12-31T23:59:59+00:00"),
        (GERMAN, "31.12.2023 23:59:59.629801 UTC", "2023-12-31T23:59:59.629801+00:00"),
        (GERMAN, "31.12.2023T23:59:59+02:00", "2023-12-31T21:59:59+00:00"),
        (GERMAN, "31.12.2023 23:59", "2023-12-31T23:59:00+00:00"),
        (GERMAN, "2023-12-31 23:59:59 UTC", "2023-12-31T23:59:59+00:00"),
        (GERMAN, "31.12.2023", None),
        (GERMAN, "31.12.202323:59:59", None),
        (AMERICAN, "8/26/2024 9:05", "2024-08-26T09:05:00+00:00"),
        (AMERICAN, "8/26/2024 9:05 PM", None),
        (CsvForm(), "31.12.2023 23:59:59", None),
        (CsvForm(), "2023-12-31 23:59", None),
    ],
)
def test_times_are_read_in_the_mappings_form(form: CsvForm, text: str, time: str | None) -> None:
    """A time whose date is in the mapping's form may lack its seconds."""
    (read,) = read_times(in_our_form(pl.Series([text]), UTC, form)).to_list()
    assert (read and read.isoformat()) == time


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ("csv: {separator: ';', decimal: ',', date_format: DD.MM.YYYY, encoding: cp1252}", ";"),
        ('csv: {separator: "\\t"}', "\t"),
        (r"csv: {separator: \t}", "\t"),
        ("csv: {separator: tab}", "\t"),
        ("csv: {separator: '|'}", "|"),
        ("users: {csv: {separator: ';'}}", ";"),
    ],
)
def test_a_mapping_names_separators(tmp_path, content: str, form: str) -> None:
    """A mapping names a separator for all tables or for those of one kind; a tab by its escape or its name."""
    (tmp_path / "mapping.yaml").write_text(content)
    assert load_mapping(tmp_path / "mapping.yaml").form("users").delimiter == form


def test_one_kind_of_table_can_have_another_form() -> None:
    """The form of one kind of table replaces that of the mapping."""
    mapping = Mapping.from_dict({"csv": {"decimal": ","}, "users": {"csv": {"separator": ";"}}})
    assert mapping.form("users") == CsvForm(separator=";")
    assert mapping.form("transactions") == CsvForm(decimal=",")


@pytest.mark.parametrize("place", ["", "transactions."])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("separator", value) for value in (";;", "", "a", "1", '"', "\n", ".", " ", "-")),
        *(("decimal", value) for value in ("", ";", "comma", ",,")),
        *(
            ("date_format", value)
            for value in ("%d.%m.%Y", "DD.MM.YY", "YYYY-DD-MM", "DD.MM/YYYY", "DD.DD.YYYY", "ISO")
        ),
        *(("encoding", value) for value in ("", "ansi-x", "hex", "\0")),
    ],
)
def test_an_invalid_form_is_refused_with_its_field(place: str, field: str, value: str) -> None:
    """An invalid form is refused with the field, the value and valid values."""
    content = {"csv": {field: value}}
    with pytest.raises(ConfigError, match=rf"^mapping: {place}csv\.{field}: .* (Name|Use) "):
        Mapping.from_dict({"transactions": content} if place else content)


def test_an_unknown_field_of_a_form_is_refused() -> None:
    """A misspelt field is named."""
    with pytest.raises(ConfigError, match=r"unknown field `seperator` - at `\$\.csv`"):
        Mapping.from_dict({"csv": {"seperator": ";"}})
