"""Detection of the form of CSV files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import yaml
from click.testing import CliRunner

from customer_risk.model.cli.tables import check
from customer_risk.model.config import load_config
from customer_risk.model.errors import ColumnMismatch, EmptyTable, TableMissing
from customer_risk.model.offboarding.scored import score_cohort
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.csv_form import CsvForm
from customer_risk.model.tables.dialect import propose
from customer_risk.model.tables.mapping import COHORTS, KINDS, Mapping
from customer_risk.model.tables.reading import available_columns, read_cohort

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ("users_labelled", "users_unlabelled", "transactions_labelled", "transactions_unlabelled")
DAY = {
    "DD.MM.YYYY": "${3}.${2}.${1}",
    "MM/DD/YYYY": "${2}/${3}/${1}",
    "YYYY/MM/DD": "${1}/${2}/${3}",
    "": "${1}-${2}-${3}",
}


def rewrite(source: Path, target: Path, form: CsvForm, *, bom: bool = False, ends: str = "\r\n") -> Path:
    """Write a folder's CSV files again in another form."""
    target.mkdir(exist_ok=True)
    for path in source.glob("*.csv"):
        frame = pl.read_csv(path, infer_schema=False)
        times = [name for name in ("date_of_birth", "created_at", "completed_at") if name in frame.columns]
        frame = frame.with_columns(
            pl.col(times).str.replace(r"^(\d{4})-(\d{2})-(\d{2})", DAY[form.date_format]),
            pl.lit("Zoë").alias("signed_by"),
        )
        if form.decimal == "," and "amount" in frame.columns:
            frame = frame.with_columns(pl.col("amount").str.replace(".", ",", literal=True))
        text = frame.write_csv(separator=form.delimiter, line_terminator=ends)
        (target / path.name).write_bytes(("\ufeff" * bom + text).encode(form.encoding))
    return target


def setting_of(proposal: str) -> Any:
    """Return the proposed setting, read as YAML."""
    return yaml.load(proposal.split("(--mapping): ")[1], yaml.BaseLoader)  # noqa: S506  makes plain values only


FORMS = {
    "Excel in Germany": (CsvForm(separator=";", decimal=",", date_format="DD.MM.YYYY", encoding="cp1252"), {}),
    "Excel in Germany, UTF-8": (CsvForm(separator=";", decimal=",", date_format="DD.MM.YYYY"), {"bom": True}),
    "Excel's Unicode text": (CsvForm(separator="\t", decimal=",", date_format="DD.MM.YYYY", encoding="utf-16"), {}),
    "SQL Server's wide characters": (CsvForm(separator="\t", encoding="utf-16-le"), {}),
    "UTF-16 of other machines": (CsvForm(separator=";", encoding="utf-16-be"), {}),
    "Excel in the United States": (CsvForm(date_format="MM/DD/YYYY"), {"bom": True}),
    "vertical bars": (CsvForm(separator="|", date_format="YYYY/MM/DD"), {}),
    "old Macs": (CsvForm(separator=";", encoding="cp1252"), {"ends": "\r"}),
    "quoted decimal commas": (CsvForm(decimal=","), {}),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_folder_in_another_form_gives_the_same_tables(synthetic: Path, tmp_path: Path, name: str) -> None:
    """The proposal has the complete form, with which the same frames are read as from the original files."""
    form, options = FORMS[name]
    folder = rewrite(synthetic, tmp_path / "theirs", form, **options)
    proposal = propose(folder, Mapping())
    content = setting_of(proposal)
    mapping = Mapping.from_dict(content)
    assert set(content) == {"csv"}
    assert (mapping.csv.delimiter, mapping.csv.decimal, mapping.csv.date_format, mapping.csv.encoding) == (
        form.delimiter,
        form.decimal,
        form.date_format,
        form.encoding,
    )
    assert propose(folder, mapping) is None
    for cohort in COHORTS:
        ours, theirs = read_cohort(synthetic, cohort), read_cohort(folder, cohort, mapping)
        assert theirs.users.frame.drop("repeat").equals(ours.users.frame.drop("repeat"))
        assert theirs.transactions.frame.equals(ours.transactions.frame)
        assert theirs.others.equals(ours.others)
        assert theirs.users.malformed.is_empty()


def test_tables_of_another_form_get_the_same_scores(synthetic: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """Tables saved by Excel in Germany give the same cohort and scores as the originals."""
    folder = rewrite(synthetic, tmp_path / "theirs", FORMS["Excel in Germany"][0])
    mapping = Mapping.from_dict(setting_of(propose(folder, Mapping())))
    ours, theirs = load_cohort(synthetic, "unlabelled"), load_cohort(folder, "unlabelled", mapping=mapping)
    assert theirs.customers.equals(ours.customers)
    assert theirs.events.equals(ours.events)
    assert theirs.counts == ours.counts
    bundle, rules = load_bundle(tiny_bundle), load_config().corroboration
    assert score_cohort(bundle, theirs, rules).table.equals(score_cohort(bundle, ours, rules).table)


@pytest.mark.parametrize("kind", KINDS)
def test_only_one_kind_of_table_is_read_in_another_form(synthetic: Path, tmp_path: Path, kind: Any) -> None:
    """With `csv` under users or transactions, only that kind is read in that form."""
    form, _ = FORMS["Excel in Germany"]
    rewrite(synthetic, tmp_path / "german", form)
    folder = rewrite(synthetic, tmp_path / "theirs", CsvForm())
    for cohort in COHORTS:
        (tmp_path / "german" / f"{kind}_{cohort}.csv").replace(folder / f"{kind}_{cohort}.csv")
    setting = setting_of(propose(folder, Mapping()))
    assert set(setting) == {kind}
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(setting))
    done = CliRunner().invoke(check, [str(folder), "--mapping", str(tmp_path / "mapping.yaml")])
    assert done.exit_code == 0, done.output
    mapping = Mapping.from_dict(setting)
    for cohort in COHORTS:
        assert available_columns(folder, cohort, mapping) == available_columns(synthetic, cohort)
        ours, theirs = load_cohort(synthetic, cohort), load_cohort(folder, cohort, mapping=mapping)
        assert theirs.customers.equals(ours.customers)
        assert theirs.events.equals(ours.events)


def test_a_form_of_csv_does_not_change_parquet(synthetic: Path, tmp_path: Path) -> None:
    """The mapping's `csv` doesn't change how Parquet is read."""
    for path in synthetic.glob("*.csv"):
        pl.read_csv(path, infer_schema=False).write_parquet(tmp_path / f"{path.stem}.parquet")
    mapping = Mapping.from_dict({"csv": {"separator": ";", "decimal": ",", "date_format": "DD.MM.YYYY"}})
    ours, theirs = read_cohort(synthetic, "labelled"), read_cohort(tmp_path, "labelled", mapping)
    assert theirs.transactions.frame.equals(ours.transactions.frame)
    assert theirs.users.frame.equals(ours.users.frame)
    assert propose(tmp_path, mapping) is None


@pytest.mark.parametrize("name", ["Excel in Germany", "Excel's Unicode text"])
def test_every_reader_fails_with_the_same_proposal(synthetic: Path, tmp_path: Path, name: str) -> None:
    """Without the setting, `check`, training and scoring propose it, and print no row of the files."""
    folder = rewrite(synthetic, tmp_path / "theirs", FORMS[name][0])
    proposal = propose(folder, Mapping())
    checked = CliRunner().invoke(check, [str(folder)]).exception
    for error in (checked, *(_error(folder, cohort) for cohort in COHORTS)):
        assert isinstance(error, ColumnMismatch | TableMissing)
        assert error.remedy == proposal
        assert "country_of_residence" not in str(error)
    with pytest.raises((ColumnMismatch, TableMissing), match="Set in the mapping"):
        available_columns(folder, "unlabelled")


def _error(folder: Path, cohort: Any) -> Exception:
    with pytest.raises((ColumnMismatch, TableMissing)) as caught:
        load_cohort(folder, cohort)
    return caught.value


def test_a_proposal_has_files_form_and_setting(bank: Any) -> None:
    """The proposal has the files, their form and the setting."""
    folder = bank.write()
    for name in TABLES:
        (folder / f"{name}.csv").write_text((folder / f"{name}.csv").read_text().replace(",", ";"))
    assert propose(folder, Mapping()) == (
        "users_labelled.csv, users_unlabelled.csv, transactions_labelled.csv and transactions_unlabelled.csv are "
        "separated by semicolons. Set in the mapping (--mapping): csv: {separator: ';'}"
    )


@pytest.mark.parametrize("decimal", ["12,5", "1.234,56"])
def test_the_form_of_unreadable_decimals_and_dates_is_proposed(bank: Any, decimal: str) -> None:
    """If values can't be read, `check` and loading propose the form of the values."""
    for row in bank.transactions_labelled + bank.transactions_unlabelled:
        row.update(amount=decimal, created_at="26.08.2024 10:33:50", completed_at="26.08.2024 11:00:00")
    folder = bank.write()
    setting = "csv: {decimal: ',', date_format: DD.MM.YYYY}"
    for error in (CliRunner().invoke(check, [str(folder)]).exception, _error(folder, "labelled")):
        assert isinstance(error, EmptyTable | ColumnMismatch)
        assert error.remedy.endswith(setting)
    mapping = Mapping.from_dict(yaml.safe_load(setting))
    assert load_cohort(folder, "unlabelled", mapping=mapping).events.height == 2


def test_check_shows_a_proposal_below_its_rules(bank: Any) -> None:
    """If only dates of birth can't be read, `check` shows the rules first, then the proposal."""
    for row in bank.users_labelled:
        row["date_of_birth"] = "31.12.1989"
    result = CliRunner().invoke(check, [str(bank.write())])
    assert result.exit_code == 1
    assert "is written with dates as DD.MM.YYYY. Set in the mapping (--mapping): csv: {date_format: DD.MM.YYYY}" in (
        " ".join(result.output.split())
    )


def test_both_orders_of_days_and_months_are_proposed(bank: Any) -> None:
    """If no date proves the order, the proposal names both orders."""
    for row in bank.users_labelled:
        row["date_of_birth"] = "03/04/1989"
    assert "dates as DD/MM/YYYY (or MM/DD/YYYY: both fit every date" in propose(bank.write(), Mapping())


@pytest.mark.parametrize(
    ("text", "format"), [("13/04/1989", "DD/MM/YYYY"), ("04/13/1989", "MM/DD/YYYY"), ("4/3/1989", "D/M/YYYY")]
)
def test_a_day_above_12_decides_the_order(bank: Any, text: str, format: str) -> None:  # noqa: A002  as in the mapping
    """A day above 12 decides the order, and one digit the form."""
    for row in bank.users_labelled:
        row["date_of_birth"] = text
    assert f"date_format: {format}" in propose(bank.write(), Mapping())


def test_only_the_kind_in_another_form_gets_a_proposal(bank: Any) -> None:
    """If only users are separated by semicolons, only users get a form."""
    folder = bank.write()
    for name in ("users_labelled", "users_unlabelled"):
        (folder / f"{name}.csv").write_text((folder / f"{name}.csv").read_text().replace(",", ";"))
    content = setting_of(propose(folder, Mapping()))
    assert content == {"users": {"csv": {"separator": ";"}}}
    assert load_cohort(folder, "unlabelled", mapping=Mapping.from_dict(content)).events.height == 2


def test_both_kinds_can_get_a_proposal(bank: Any) -> None:
    """Semicolons in users and tabs in transactions give two entries, in one line."""
    folder = bank.write()
    for name in TABLES:
        mark = ";" if name.startswith("users") else "\t"
        (folder / f"{name}.csv").write_text((folder / f"{name}.csv").read_text().replace(",", mark))
    proposal = propose(folder, Mapping())
    assert proposal.endswith(
        """users: {csv: {separator: ';'}} and, on another line, transactions: {csv: {separator: "\\t"}}"""
    )
    assert "\n" not in proposal


def test_a_wrong_setting_is_corrected(bank: Any) -> None:
    """For files in this project's form, the proposal corrects a wrong mapping."""
    mapping = Mapping.from_dict({"csv": {"separator": ";", "decimal": ",", "encoding": "utf-16"}})
    assert setting_of(propose(bank.write(), mapping)) == {"csv": {}}
    with pytest.raises((ColumnMismatch, TableMissing), match="separated by commas"):
        read_cohort(bank.folder, "labelled", mapping)


def test_valid_tables_get_no_proposal(bank: Any, synthetic: Path, hometask: Path) -> None:
    """There is no proposal for sound tables, nor for a failure of another kind."""
    assert [propose(folder, Mapping()) for folder in (bank.write(), synthetic, hometask)] == [None] * 3
    for row in bank.users_labelled:
        row["client"] = row.pop("user_id")
    with pytest.raises(ColumnMismatch, match="Map each to a column of the file"):
        load_cohort(bank.write(), "labelled")


def test_the_separator_is_detected_with_unknown_names(bank: Any) -> None:
    """A header of unknown names is separated by the mark that gives most columns."""
    (bank.folder / "clients.csv").write_text("no;status;born\n1;OPEN;1990-01-01\n2;OPEN;1990-01-01\n")
    mapping = Mapping.from_dict({"users": {"files": {"labelled": "clients"}}})
    assert "clients.csv is separated by semicolons" in propose(bank.folder, mapping)


def test_an_empty_file_gets_no_proposal(bank: Any) -> None:
    """An empty file is refused without a proposal."""
    (bank.write() / "users_labelled.csv").write_bytes(b"")
    with pytest.raises(ColumnMismatch, match="is empty: it has no header") as caught:
        read_cohort(bank.folder, "labelled")
    assert caught.value.remedy == "Write the column names first."
    assert propose(bank.folder, Mapping()) is None


def test_the_whole_file_decides_the_encoding(bank: Any) -> None:
    """The whole file decides the encoding."""
    folder = bank.write()
    with (folder / "users_labelled.csv").open("ab") as file:
        file.write(b"\n" * 400_000 + "Zoë".encode("cp1252"))
    with pytest.raises(TableMissing, match=r"line 400,006 isn't utf-8: it has the byte EB.*encoding: cp1252") as caught:
        read_cohort(folder, "labelled")
    assert caught.value.remedy.startswith("users_labelled.csv is in cp1252 instead of utf-8.")


def test_messages_about_long_lines_are_short(bank: Any) -> None:
    """Long names of columns are shortened, and only the first of many are shown."""
    folder = bank.write()
    (folder / "users_labelled.csv").write_text("x" * 300_000 + "".join(f",column {at}" for at in range(5000)) + "\n")
    with pytest.raises(ColumnMismatch, match=r"its unknown columns are x{60}\.\.\., column 0") as caught:
        read_cohort(folder, "labelled")
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "content",
    [
        {"users": {"columns": {"x" * 100_000: "a"}}},
        {"users": {"columns": {"locale": "x" * 100_000, "gender": "x" * 100_000}}},
        {"csv": {"separator": "x" * 100_000}},
        {"x" * 100_000: {}},
    ],
)
def test_messages_about_a_mapping_are_short(content: dict[str, Any]) -> None:
    """Long values of a mapping are shortened in the message."""
    with pytest.raises(Exception, match="mapping") as caught:
        Mapping.from_dict(content)
    assert len(str(caught.value)) < 1000
