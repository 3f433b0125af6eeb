"""`customer-risk score` and `customer-risk offboarding sign`, as a person uses them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from customer_risk.model.cli.offboarding import explain, offboarding, score
from customer_risk.model.errors import (
    BundleAltered,
    ConfigError,
    EmptyTable,
    SignOffError,
    TableMissing,
)
from customer_risk.model.offboarding.record import read_run
from customer_risk.model.offboarding.spreadsheet import csv_bytes
from customer_risk.model.operator import named
from tests.model.offboarding.commands import run

WITHOUT_RULE = Path(__file__).parents[2] / "data" / "version-2" / "bundle"


@pytest.fixture(scope="module")
def out(tiny_bundle, synthetic, tmp_path_factory):
    """The folder that `score` made of the synthetic tables, and what it printed."""
    folder = tmp_path_factory.mktemp("command") / "out"
    return folder, run(score, tiny_bundle, synthetic, "--out", folder)


def test_score_scores_every_customer_and_says_where_the_lists_are(out, scored):
    """The summary holds the counts and the pages to read."""
    folder, said = out
    scores = pl.read_parquet(folder / "scores.parquet")
    assert scores.equals(scored.table)
    assert f"{scores.height} customers scored" in said
    assert str(folder / "offboarding.html") in said
    assert str(folder / "review.html") in said


def test_score_records_bundle_and_tables(out, scored):
    """The run names what it was made of by hash."""
    record = read_run(out[0])
    assert record.bundle == scored.bundle.version
    assert {"users_unlabelled.csv", "transactions_unlabelled.csv"} <= set(record.tables)


def test_decided_list_is_signed_off(out, tmp_path):
    """From the list that `score` wrote to the kept copy."""
    made = pl.read_parquet(out[0] / "offboarding.parquet")
    today = datetime.now(UTC).date().isoformat()
    filled = made.with_columns(
        decision=pl.lit("keep"), name=pl.lit("Ann Example"), date=pl.lit(today), note=pl.lit("known")
    )
    (tmp_path / "filled.csv").write_bytes(csv_bytes(filled))
    words = (tmp_path / "filled.csv", "--scores", out[0], "--out", tmp_path / "kept")
    said = run(offboarding, "sign", *words)
    assert said.startswith(f"Signed off: off-board 0, keep {made.height}, review-again 0; decided by Ann Example")
    assert "Signed off before, nothing changed" in run(offboarding, "sign", *words)
    assert len(list((tmp_path / "kept").glob("*.csv"))) == 1


def test_list_is_looked_for_beside_its_scores(out):
    """Without --scores, the file's own folder is the run's."""
    with pytest.raises(SignOffError, match="lines can't be accepted"):
        run(offboarding, "sign", out[0] / "offboarding.csv", "--by", "clerk")
    assert not (out[0] / "signed").exists()


def test_nameless_clerk_must_say_who_they_are(out, monkeypatch):
    """A receipt names who handed the list in."""
    monkeypatch.setattr("getpass.getuser", lambda: "")
    with pytest.raises(SignOffError, match="Give your name with --by"):
        run(offboarding, "sign", out[0] / "offboarding.csv")


def test_login_name_is_taken_unless_a_name_is_said(monkeypatch):
    """A container's user without a name has none."""
    monkeypatch.setattr("getpass.getuser", lambda: "login")
    assert (named(None), named(" said ")) == ("login", "said")

    def nobody():
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert named(None) == ""


def test_configuration_declares_the_rule_of_a_bundle_without_one(synthetic, tmp_path):
    """A bundle of an earlier release is scored by the configuration's rule, and run.json says so."""
    config = tmp_path / "bank.yaml"
    config.write_text("corroboration: {minimum: 1, rules: {LARGE_AMOUNT: {amount: 100000, quantile: 0.5}}}")
    said = run(score, WITHOUT_RULE, synthetic, "--out", tmp_path / "out", "--config", config)
    assert "proposed for off-boarding, to be signed off        0" in said
    record = read_run(tmp_path / "out")
    assert set(record.corroboration) == {"LARGE_AMOUNT"}
    assert record.corroboration["LARGE_AMOUNT"]["usual"] > 0
    assert (record.action_rule, record.action_rule_from) == (2, "configuration")


@pytest.mark.parametrize("command", [score, explain])
def test_configuration_with_another_rule_than_the_bundle_is_refused(tiny_bundle, synthetic, tmp_path, scored, command):
    """The rule was frozen at training: the message names the file, the difference, and what to do."""
    config = tmp_path / "bank.yaml"
    config.write_text("corroboration: {minimum: 2}")
    words = [tiny_bundle, synthetic, *([scored.table["customer_id"][0]] if command is explain else [])]
    with pytest.raises(ConfigError, match="minimum is 2, in the bundle 1") as refusal:
        run(command, *words, "--out", tmp_path / "out", "--config", config)
    assert str(config) in refusal.value.problem
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["corroboration: {minimum: 1}", "threads: 2"])
def test_configuration_with_the_bundles_rule_or_none_is_accepted(tiny_bundle, synthetic, tmp_path, scored, text):
    """A configuration with the same rule, or without the section, changes no list."""
    (tmp_path / "bank.yaml").write_text(text)
    run(score, tiny_bundle, synthetic, "--out", tmp_path / "out", "--config", tmp_path / "bank.yaml")
    assert pl.read_parquet(tmp_path / "out" / "scores.parquet").equals(scored.table)


def test_another_banks_files_are_scored_through_a_mapping(tiny_bundle, synthetic, tmp_path, scored):
    """The same customers under another file name get the same scores."""
    shutil.copytree(synthetic, tmp_path / "tables")
    (tmp_path / "tables" / "users_unlabelled.csv").rename(tmp_path / "tables" / "clients.csv")
    (tmp_path / "mapping.yaml").write_text("users: {files: {unlabelled: clients}}")
    out = tmp_path / "out"
    run(score, tiny_bundle, tmp_path / "tables", "--out", out, "--mapping", tmp_path / "mapping.yaml")
    assert pl.read_parquet(out / "scores.parquet").equals(scored.table)
    assert "clients.csv" in read_run(out).tables


def refused(error, *words):
    """See a refusal that leaves nothing behind; gives its message."""
    place = words[words.index("--out") + 1]
    with pytest.raises(error) as refusal:
        run(score, *words)
    assert not place.exists()
    assert not any(path.name.endswith(".partial") for path in place.parent.iterdir())
    return str(refusal.value)


def test_flipped_byte_in_the_bundle_is_refused(tiny_bundle, synthetic, tmp_path):
    """Nothing is scored with a damaged model."""
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    content = bytearray((tmp_path / "bundle" / "trees.json").read_bytes())
    content[50] ^= 1
    (tmp_path / "bundle" / "trees.json").write_bytes(content)
    refused(BundleAltered, tmp_path / "bundle", synthetic, "--out", tmp_path / "out")


def test_missing_table_is_refused(tiny_bundle, synthetic, tmp_path):
    """The refusal names the table."""
    (tmp_path / "tables").mkdir()
    shutil.copy(synthetic / "users_unlabelled.csv", tmp_path / "tables")
    said = refused(TableMissing, tiny_bundle, tmp_path / "tables", "--out", tmp_path / "out")
    assert "transactions_unlabelled" in said


def test_empty_table_is_refused(tiny_bundle, synthetic, tmp_path):
    """Nobody to score is told, not scored."""
    shutil.copytree(synthetic, tmp_path / "tables")
    header = (synthetic / "users_unlabelled.csv").read_text().splitlines()[0]
    (tmp_path / "tables" / "users_unlabelled.csv").write_text(header + "\n")
    refused(EmptyTable, tiny_bundle, tmp_path / "tables", "--out", tmp_path / "out")


def test_impossible_rules_are_refused_before_any_work(tiny_bundle, synthetic, tmp_path):
    """A misspelt rule doesn't cost a scoring run."""
    (tmp_path / "bank.yaml").write_text("corroboration: {rules: {PASS_TROUGH: {hours: 1}}}")
    said = refused(ConfigError, tiny_bundle, synthetic, "--out", tmp_path / "out", "--config", tmp_path / "bank.yaml")
    assert "PASS_TROUGH is not a known pattern" in said


def test_filled_folder_is_refused(tiny_bundle, synthetic, tmp_path):
    """The command doesn't write over what it didn't write."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="no scoring run wrote"):
        run(score, tiny_bundle, synthetic, "--out", tmp_path, "--force")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("words", [(score, "--help"), (offboarding, "sign", "--help")])
def test_help_tells_what_is_written_and_asked(words):
    """The help describes the command."""
    command, *rest = words
    said = run(command, *rest)
    assert "offboarding" in said
