"""`customer-risk score` and `customer-risk offboarding sign`."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from customer_risk.model.cli.offboarding import explain, offboarding, score
from customer_risk.model.errors import BundleAltered, ConfigError, EmptyTable, SignOffError, TableMissing
from customer_risk.model.offboarding.record import read_run
from customer_risk.model.offboarding.spreadsheet import csv_bytes
from customer_risk.model.operator import named
from tests.model.offboarding.commands import run

WITHOUT_RULE = Path(__file__).parents[2] / "data" / "version-2" / "bundle"


@pytest.fixture(scope="module")
def out(tiny_bundle, synthetic, tmp_path_factory):
    """The folder that `score` wrote from the synthetic tables, and its output."""
    folder = tmp_path_factory.mktemp("command") / "out"
    return folder, run(score, tiny_bundle, synthetic, "--out", folder)


def test_score_scores_every_customer_and_says_where_the_lists_are(out, scored):
    """The output has the number of customers and the pages to read."""
    folder, said = out
    scores = pl.read_parquet(folder / "scores.parquet")
    assert scores.equals(scored.table)
    assert f"{scores.height} customers scored" in said
    assert str(folder / "offboarding.html") in said
    assert str(folder / "review.html") in said


def test_score_records_bundle_and_tables(out, scored):
    """The record of the run has the hashes of its inputs."""
    record = read_run(out[0])
    assert record.bundle == scored.bundle.version
    assert {"users_unlabelled.csv", "transactions_unlabelled.csv"} <= set(record.tables)


def test_decided_list_is_signed_off(out, tmp_path):
    """A decided list is accepted, and its copy is kept once."""
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
    """Without --scores, the run is in the folder of the file."""
    with pytest.raises(SignOffError, match="lines can't be accepted"):
        run(offboarding, "sign", out[0] / "offboarding.csv", "--by", "clerk")
    assert not (out[0] / "signed").exists()


def test_login_name_is_used_unless_a_name_is_given(monkeypatch):
    """The given name is used, otherwise the login name, if there is one."""
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
    """The message names the file, the difference from the frozen rule, and what to do."""
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


@pytest.mark.parametrize(
    ("name", "damage", "error", "said"),
    [
        ("bundle/trees.json", lambda text: text.replace("0", "1", 1), BundleAltered, r"trees\.json"),
        ("tables/transactions_unlabelled.csv", None, TableMissing, "transactions_unlabelled"),
        ("tables/users_unlabelled.csv", lambda text: text.splitlines()[0] + "\n", EmptyTable, "users_unlabelled"),
        (
            "bank.yaml",
            lambda _: "corroboration: {rules: {PASS_TROUGH: {hours: 1}}}",
            ConfigError,
            "PASS_TROUGH is not a known pattern",
        ),
    ],
)
def test_refused_input_leaves_no_file(tiny_bundle, synthetic, tmp_path, name, damage, error, said):
    """A damaged bundle, unusable tables and a misspelt pattern are refused by name, and no folder is left."""
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    shutil.copytree(synthetic, tmp_path / "tables")
    path = tmp_path / name
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage(path.read_text() if path.exists() else ""))
    before = set(tmp_path.iterdir())
    options = ("--config", path) if path.suffix == ".yaml" else ()
    with pytest.raises(error, match=said):
        run(score, tmp_path / "bundle", tmp_path / "tables", "--out", tmp_path / "out", *options)
    assert set(tmp_path.iterdir()) == before


def test_filled_folder_is_refused(tiny_bundle, synthetic, tmp_path):
    """A folder that no scoring run wrote is never replaced."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="no scoring run wrote"):
        run(score, tiny_bundle, synthetic, "--out", tmp_path, "--force")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
