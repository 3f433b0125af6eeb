"""`customer-risk check` and `customer-risk synth`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from click.testing import CliRunner

from customer_risk.model.cli.tables import check, synth
from customer_risk.model.errors import ColumnMismatch, ConfigError, EmptyTable, LabelError, TableMissing

if TYPE_CHECKING:
    from click.testing import Result

CONFIG = "checks: {max_failing_share: 0.3, label_rate: [0.0, 1.0]}"


def run(command: Any, *arguments: object) -> Result:
    """Run a command as `customer-risk` does, except that errors are not turned into exit code 2."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_sound_tables_pass(bank: Any) -> None:
    """Tables without a failing row give two lines: what holds, and that the tables pass."""
    result = run(check, bank.write())
    assert result.exit_code == 0
    assert result.output == (
        "All 89 rules hold in every row of 4 files. Show all rules and counts with --all.\n"
        "The tables pass. No failing rows.\n"
    )


def test_all_rules_and_counts_are_shown_on_request(bank: Any) -> None:
    """With --all, each rule of each file is shown with its layer, and each count with its meaning."""
    output = run(check, bank.write(), "--all").output
    for part in (
        "users_labelled.csv: 4 rows",
        "transactions_unlabelled.csv: 3 rows",
        "business",
        "one_ending",
        "0.00%",
        "events_of_other_cohort",
        "Event rows of customers of the other cohort (dropped).",
    ):
        assert part in output


def test_too_many_failing_rows_exit_with_1(bank: Any) -> None:
    """Above the configured share the exit code is 1, and only the failing rule is shown, with its share."""
    bank.transactions_labelled[0]["amount"] = "-1"
    result = run(check, bank.write())
    assert result.exit_code == 1
    assert "25.00%" in result.output
    assert "one_ending" not in result.output
    assert result.output.endswith(
        "88 of 89 rules hold in every row of 4 files. Show all rules and counts with --all.\n"
        "The tables don't pass: a rule fails in more than 1.00% of a table's rows. "
        "1 failing row: list them with --out FILE.\n"
    )


def test_the_configured_share_of_failing_rows_is_allowed(bank: Any, tmp_path: Path) -> None:
    """Failing rows below the configured share pass."""
    bank.transactions_labelled[0]["amount"] = "-1"
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert run(check, bank.write(), "--config", tmp_path / "config.yaml").exit_code == 0


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_failing_rows_are_written(bank: Any, tmp_path: Path, suffix: str) -> None:
    """The file lists each failing row with its table, number, rule, value and reason."""
    bank.transactions_labelled[2]["amount"] = "-1"
    bank.users_unlabelled[1]["locale"] = "french"
    out = tmp_path / "out" / f"failing.{suffix}"
    result = run(check, bank.write(), "--out", out)
    assert result.exit_code == 1
    rows = pl.read_csv(out) if suffix == "csv" else pl.read_parquet(out)
    assert rows.columns == ["table", "row", "rule", "layer", "value", "reason"]
    assert rows.select("row", "rule", "layer", "value").rows() == [
        (3, "amount_usable", "ranges", "-1.0"),
        (2, "locale_formed", "ranges", "french"),
    ]
    assert rows["table"].str.split("/").list.last().to_list() == ["transactions_labelled.csv", "users_unlabelled.csv"]
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_failing_rows_of_unusable_tables_are_written(bank: Any, tmp_path: Path) -> None:
    """An unknown label ends the check, but its rows are listed."""
    bank.users_labelled[1]["user_current_state"] = "FROZEN"
    result = run(check, bank.write(), "--out", tmp_path / "failing.csv")
    assert isinstance(result.exception, LabelError)
    assert pl.read_csv(tmp_path / "failing.csv")["value"].to_list() == ["FROZEN"]


def test_one_cohort_is_enough(bank: Any) -> None:
    """A single cohort is checked; rules that need the other cohort are "not judged"."""
    bank.users_labelled, bank.transactions_labelled = [], []
    result = run(check, bank.write())
    assert result.exit_code == 0
    assert "can't be checked without the other cohort's users" in result.output


def test_columns_without_a_meaning_are_shown(bank: Any) -> None:
    """Extra columns are named."""
    bank.users_labelled[0]["favourite_colour"] = "blue"
    assert "unused columns: favourite_colour" in run(check, bank.write()).output


def test_a_column_that_may_be_absent_is_shown_in_its_other_spelling(bank: Any) -> None:
    """A column that isn't needed is read as absent; `check` says which unexpected column may be meant."""
    for row in bank.users_labelled:
        row["Date of Birth"] = row.pop("date_of_birth")
    output = run(check, bank.write()).output
    assert "unused columns: Date of Birth (is date_of_birth meant?)" in output


def test_another_banks_tables_pass_with_a_mapping(synthetic: Path, bank: Any, tmp_path: Path) -> None:
    """Another bank's values pass only with its mapping."""
    del synthetic
    for row in bank.transactions_labelled + bank.transactions_unlabelled:
        row["direction"] = "D"
    (tmp_path / "mapping.yaml").write_text("transactions: {values: {direction: {OUT: D}}}")
    folder = bank.write()
    assert run(check, folder).exit_code == 1
    assert run(check, folder, "--mapping", tmp_path / "mapping.yaml").exit_code == 0


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda bank: bank.transactions_labelled.clear(), TableMissing),
        (lambda bank: bank.users_labelled[:] and bank.users_labelled.__delitem__(slice(1, None)), EmptyTable),
        (lambda bank: [row.update(user_current_state="ACTIVE") for row in bank.users_labelled], LabelError),
        (lambda bank: [row.pop("amount") for row in bank.transactions_labelled], ColumnMismatch),
        (lambda bank: [row.update(user_id="nobody") for row in bank.transactions_labelled], EmptyTable),
    ],
)
def test_unusable_tables_raise_an_error(bank: Any, spoil: Any, error: type[Exception]) -> None:
    """Unusable tables raise an error that `customer-risk` turns into exit code 2."""
    spoil(bank)
    assert isinstance(run(check, bank.write()).exception, error)


def test_an_unknown_suffix_of_out_is_refused_first(bank: Any, tmp_path: Path) -> None:
    """An unknown suffix of --out is refused before the tables are read."""
    result = run(check, tmp_path / "nowhere", "--out", tmp_path / "failing.txt")
    assert isinstance(result.exception, ConfigError)
    del bank


def test_the_real_tables_pass(hometask: Path) -> None:
    """The real tables pass, with their irregularities counted."""
    result = run(check, hometask, "--all")
    assert result.exit_code == 0
    assert "The tables pass. No failing rows." in result.output
    assert "1,273" in result.output


def test_tables_of_synth_pass_check(tmp_path: Path) -> None:
    """Tables written by `synth` pass `check`."""
    result = run(synth, tmp_path / "t", "--customers", 60, "--unlabelled", 20, "--risk-rate", 0.2, "--seed", 3)
    assert result.exit_code == 0, result.output
    assert "60 labelled customers and 20 customers to score (seed 3)" in result.output
    assert run(check, tmp_path / "t").exit_code == 0


def test_synth_accepts_a_shift_and_a_format(tmp_path: Path) -> None:
    """A shift in words and Parquet are followed."""
    options = ("--customers", 60, "--format", "parquet")
    assert run(synth, tmp_path / "plain", *options).exit_code == 0
    assert run(synth, tmp_path / "more", *options, "--shift", "amount=10@2024-07-01").exit_code == 0
    plain, more = (pl.read_parquet(tmp_path / name / "transactions_labelled.parquet") for name in ("plain", "more"))
    assert more["amount"].mean() > 5 * plain["amount"].mean()


def test_synth_refuses_an_invalid_rate(tmp_path: Path) -> None:
    """With an invalid risk rate no file is written."""
    result = run(synth, tmp_path / "t", "--risk-rate", 0.5)
    assert isinstance(result.exception, ConfigError)
    assert not (tmp_path / "t").exists()


def test_a_folder_of_both_formats_is_refused(tmp_path: Path) -> None:
    """A table in both formats is refused."""
    run(synth, tmp_path, "--customers", 60)
    shutil.copy(tmp_path / "users_labelled.csv", tmp_path / "users_labelled.parquet")
    assert isinstance(run(check, tmp_path).exception, TableMissing)
