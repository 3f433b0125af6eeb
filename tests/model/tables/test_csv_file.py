"""CSV tables, and records with more or fewer fields than the header."""

from __future__ import annotations

from typing import Any

import pytest

from customer_risk.model.config import load_config
from customer_risk.model.errors import ColumnMismatch, EmptyTable, RuleFailure
from customer_risk.model.tables import csv_file
from customer_risk.model.tables.cleaning import clean
from customer_risk.model.tables.csv_form import CsvForm
from customer_risk.model.tables.examination import examine, refuse_unusable
from customer_risk.model.tables.mapping import Mapping
from customer_risk.model.tables.reading import read_cohort, read_table
from customer_risk.model.tables.storage import columns, fetch

RULE = "field_count_matches"


def append(bank: Any, name: str, text: str) -> None:
    """Write the bank's tables, and text at the end of one."""
    with (bank.write() / f"{name}.csv").open("a") as file:
        file.write(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(941 rows affected)\n", "line 6 has 1 field, but the header has 16: (941 rows affected)"),
        ("e,s,FR,TRUE,+33\n", "line 6 has 5 fields, but the header has 16: e,s,FR,TRUE,+33"),
        ("e,s,FR", "line 6 has 3 fields, but the header has 16: e,s,FR"),
        (f"e{',' * 16}x\n", f"line 6 has 17 fields, but the header has 16: e{',' * 16}x"),
        ("\n\r\n\x1afooter", "line 8 has 1 field, but the header has 16: \x1afooter"),
        ("x" * 500, f"line 6 has 1 field, but the header has 16: {'x' * 60}..."),
    ],
    ids=["footer", "short", "cut off", "long", "after blank lines", "long text"],
)
def test_a_record_of_another_length_is_a_failing_row(bank: Any, text: str, said: str) -> None:
    """Such a record is not a customer, but a failing row with its line, number of fields and first characters."""
    append(bank, "users_labelled", text)
    tables = read_cohort(bank.folder, "labelled")
    assert tables.users.frame["customer_id"].to_list() == ["a", "b", "c", "d"]
    failing = examine(tables, load_config().checks).failing.filter(rule=RULE)
    assert failing.select("row", "layer", "value").rows() == [(5, "types", said)]
    cohort = clean(tables, examine(tables, load_config().checks))
    assert cohort.customers["customer_id"].to_list() == ["a", "b", "c", "d"]
    assert cohort.counts[f"failed_{RULE}"] == cohort.counts["set_aside_rows"] == 1
    assert cohort.counts["profile_rows"] == 5


@pytest.mark.parametrize("text", ["\n\n\n", "\r\n \r\n", "\x1a", f"\n{',' * 15}\n", "\n\x1a\x1a"])
def test_empty_lines_are_not_rows(bank: Any, text: str) -> None:
    """Empty lines, empty records and Ctrl-Z at the end of a file are neither rows nor failing rows."""
    append(bank, "users_labelled", text)
    users = read_table(bank.folder, "users", "labelled", Mapping())
    assert (users.rows, users.malformed.height) == (4, 0)


def test_malformed_records_are_counted_in_row_numbers(bank: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A malformed record counts as a row, so that later rows keep their numbers, in any chunk."""
    monkeypatch.setattr(csv_file, "_CELLS", 20)
    bank.transactions_labelled[3]["amount"] = "abc"
    folder = bank.write()
    lines = (folder / "transactions_labelled.csv").read_text().splitlines()
    lines.insert(2, "cut,off")
    (folder / "transactions_labelled.csv").write_text("\n".join(lines))
    table = read_table(folder, "transactions", "labelled", Mapping())
    assert table.frame["row"].to_list() == [1, 3, 4, 5]
    assert table.unreadable["row"].to_list() == [5]
    assert table.malformed["row"].to_list() == [2]


def test_too_many_malformed_records_are_refused(bank: Any) -> None:
    """Training and scoring stop above the share of failing rows, with the rule and the line."""
    append(bank, "transactions_labelled", "(941 rows affected)\n")
    tables, limits = read_cohort(bank.folder, "labelled"), load_config().checks
    with pytest.raises(
        RuleFailure, match=rf"1 of 5 rows .*more or fewer fields.*{RULE}; the first is row 5: line 6 has 1 field"
    ):
        refuse_unusable(tables, examine(tables, limits), limits)


def test_malformed_records_of_the_other_cohort_are_not_customers(bank: Any) -> None:
    """Malformed records are not customers of the other cohort."""
    append(bank, "users_labelled", "(941 rows affected)\n")
    assert read_cohort(bank.folder, "unlabelled").others.to_list() == ["a", "b", "c", "d"]


def test_a_table_of_malformed_records_only_is_refused(bank: Any) -> None:
    """The message about a table of malformed records has the rule and the first line."""
    folder = bank.write()
    header = (folder / "users_labelled.csv").read_text().splitlines()[0]
    (folder / "users_labelled.csv").write_text(f"{header}\na,b\nc,d\n")
    with pytest.raises(
        EmptyTable,
        match=rf"all 2 rows have more or fewer fields .*{RULE}\); line 2 has 2 fields, but the header has 16",
    ):
        read_table(folder, "users", "labelled", Mapping())


def test_a_column_twice_is_refused(bank: Any) -> None:
    """A file with two columns of the same name is refused by that name."""
    (bank.folder / "t.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(ColumnMismatch, match=r"t\.csv has two columns of the same name: a\."):
        fetch(bank.folder, "t")


def test_columns_without_a_name_are_left_out(bank: Any) -> None:
    """Columns without a name aren't read, such as empty ones of spreadsheets and numbered indexes."""
    (bank.folder / "t.csv").write_text(",a,,\n0,x,,\n")
    assert fetch(bank.folder, "t").frame.to_dict(as_series=False) == {"a": ["x"]}
    assert columns(bank.folder, "t", CsvForm()) == ("a",)


def test_a_cell_can_exceed_pythons_limit(bank: Any) -> None:
    """A cell can have 200 KiB."""
    bank.users_labelled[0]["occupation"] = "x" * 200 * 1024
    assert read_table(bank.write(), "users", "labelled", Mapping()).frame["occupation"].str.len_chars()[0] == 200 * 1024
