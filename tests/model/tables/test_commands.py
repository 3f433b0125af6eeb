"""`customer-risk check` and `customer-risk synth` as a person meets them."""

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
    """Run a command as `customer-risk` would, but for turning errors into exit code 2."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_sound_tables_pass(bank: Any) -> None:
    """Every rule of every file is shown with its layer, and the exit code is 0."""
    result = run(check, bank.write())
    assert result.exit_code == 0
    for part in (
        "users_labelled.csv: 4 rows",
        "transactions_unlabelled.csv: 3 rows",
        "business",
        "one_ending",
        "0.00%",
    ):
        assert part in result.output
    assert "the tables pass; 0 failing rows." in result.output


def test_traps_are_counted(bank: Any) -> None:
    """What was met is counted and explained."""
    output = run(check, bank.write()).output
    assert "events_of_other_cohort" in output
    assert "Event rows of customers of the other cohort; set aside." in output


def test_too_many_failing_rows_exit_with_1(bank: Any) -> None:
    """Above the configured share the exit code is 1, and the output says which share."""
    bank.transactions_labelled[0]["amount"] = "-1"
    result = run(check, bank.write())
    assert result.exit_code == 1
    assert "25.00%" in result.output
    assert (
        "a rule fails in more than 1.00% of its table's rows; 1 failing rows; --out FILE lists them." in result.output
    )


def test_the_configuration_says_how_many(bank: Any, tmp_path: Path) -> None:
    """A configured share above theirs lets them pass."""
    bank.transactions_labelled[0]["amount"] = "-1"
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert run(check, bank.write(), "--config", tmp_path / "config.yaml").exit_code == 0


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_failing_rows_are_written(bank: Any, tmp_path: Path, suffix: str) -> None:
    """Each failing row stands in the file with its table, number, rule, value and reason."""
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


def test_failing_rows_are_written_even_where_the_tables_are_unusable(bank: Any, tmp_path: Path) -> None:
    """An unknown label stops the check, and its rows are there to be mended."""
    bank.users_labelled[1]["user_current_state"] = "FROZEN"
    result = run(check, bank.write(), "--out", tmp_path / "failing.csv")
    assert isinstance(result.exception, LabelError)
    assert pl.read_csv(tmp_path / "failing.csv")["value"].to_list() == ["FROZEN"]


def test_one_cohort_is_enough(bank: Any) -> None:
    """Whichever cohort is there is checked; what needs the other is not judged."""
    bank.users_labelled, bank.transactions_labelled = [], []
    result = run(check, bank.write())
    assert result.exit_code == 0
    assert "not judged" in result.output


def test_columns_without_a_meaning_are_shown(bank: Any) -> None:
    """Extra columns are named."""
    bank.users_labelled[0]["favourite_colour"] = "blue"
    assert "columns without a meaning here: favourite_colour" in run(check, bank.write()).output


def test_a_column_that_may_be_absent_is_shown_in_its_other_spelling(bank: Any) -> None:
    """A column that isn't needed is read as absent; `check` says which unexpected column may be meant."""
    for row in bank.users_labelled:
        row["Date of Birth"] = row.pop("date_of_birth")
    output = run(check, bank.write()).output
    assert "columns without a meaning here: Date of Birth (is date_of_birth meant?)" in output


def test_a_mapping_is_followed(synthetic: Path, bank: Any, tmp_path: Path) -> None:
    """Another bank's values pass with its mapping and fail without."""
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
def test_unusable_tables_are_our_error(bank: Any, spoil: Any, error: type[Exception]) -> None:
    """Tables that can't be used at all end in one of our errors, which `customer-risk` turns into exit code 2."""
    spoil(bank)
    assert isinstance(run(check, bank.write()).exception, error)


def test_an_impossible_out_is_refused_first(bank: Any, tmp_path: Path) -> None:
    """A suffix that can't be written is told before the tables are read."""
    result = run(check, tmp_path / "nowhere", "--out", tmp_path / "failing.txt")
    assert isinstance(result.exception, ConfigError)
    del bank


def test_the_real_tables_pass(hometask: Path) -> None:
    """The real tables pass, with their oddities counted."""
    result = run(check, hometask)
    assert result.exit_code == 0
    assert "the tables pass; 0 failing rows." in result.output
    assert "1,273" in result.output


def test_synth_writes_tables_that_check(tmp_path: Path) -> None:
    """What `synth` writes, `check` passes."""
    result = run(synth, tmp_path / "t", "--customers", 60, "--unlabelled", 20, "--risk-rate", 0.2, "--seed", 3)
    assert result.exit_code == 0, result.output
    assert "60 labelled customers and 20 to score, seed 3" in result.output
    assert run(check, tmp_path / "t").exit_code == 0


def test_synth_takes_a_shift_and_a_format(tmp_path: Path) -> None:
    """A shift in words and Parquet are followed."""
    options = ("--customers", 60, "--format", "parquet")
    assert run(synth, tmp_path / "plain", *options).exit_code == 0
    assert run(synth, tmp_path / "more", *options, "--shift", "amount=10@2024-07-01").exit_code == 0
    plain, more = (pl.read_parquet(tmp_path / name / "transactions_labelled.parquet") for name in ("plain", "more"))
    assert more["amount"].mean() > 5 * plain["amount"].mean()


def test_synth_refuses_a_rate(tmp_path: Path) -> None:
    """An impossible rate writes nothing."""
    result = run(synth, tmp_path / "t", "--risk-rate", 0.5)
    assert isinstance(result.exception, ConfigError)
    assert not (tmp_path / "t").exists()


def test_a_folder_of_both_formats_is_refused(tmp_path: Path) -> None:
    """Writing the other format beside the first leaves two tables of a name: `check` won't guess."""
    run(synth, tmp_path, "--customers", 60)
    shutil.copy(tmp_path / "users_labelled.csv", tmp_path / "users_labelled.parquet")
    assert isinstance(run(check, tmp_path).exception, TableMissing)
