"""`customer-risk score --earlier`: customers on whom people decided before."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime

import polars as pl
import pytest

from customer_risk.model.cli.offboarding import offboarding, score
from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding import record
from tests.model.offboarding.commands import run


@pytest.fixture(scope="module")
def signed(tiny_bundle, synthetic, tmp_path_factory):
    """A run whose list was decided: the first customer kept, the second to be reviewed again, the others open."""
    folder = tmp_path_factory.mktemp("earlier") / "run"
    run(score, tiny_bundle, synthetic, "--out", folder)
    made = pl.read_parquet(folder / "offboarding.parquet")
    today = datetime.now(UTC).date().isoformat()
    verdicts = ["keep", "review-again"] + [""] * (made.height - 2)
    decided = pl.Series(verdicts) != ""
    filled = made.with_columns(
        decision=pl.Series(verdicts),
        name=pl.when(decided).then(pl.lit("Ann Example")).otherwise(pl.lit("")),
        date=pl.when(decided).then(pl.lit(today)).otherwise(pl.lit("")),
        note=pl.when(decided).then(pl.lit("Income <proven>")).otherwise(pl.lit("")),
    )
    filled.write_parquet(folder.parent / "filled.parquet")
    run(offboarding, "sign", folder.parent / "filled.parquet", "--scores", folder, "--partial", "--by", "Ann Example")
    return folder, made["customer_id"].to_list(), today


def again(bundle, tables, out, earlier):
    """Score with an earlier run; return its off-boarding list by customer."""
    run(score, bundle, tables, "--out", out, "--earlier", earlier)
    return {row["customer_id"]: row for row in pl.read_parquet(out / "offboarding.parquet").iter_rows(named=True)}


@pytest.fixture(scope="module")
def same(tiny_bundle, synthetic, signed, tmp_path_factory):
    """The same tables scored again by the same bundle."""
    out = tmp_path_factory.mktemp("again") / "run"
    return out, again(tiny_bundle, synthetic, out, signed[0])


def test_kept_customer_is_proposed_again_with_the_decision(same, signed):
    """A customer for whom nothing has changed stays on the list, with who decided what, when and why."""
    _, (kept, review_again, undecided, *_), today = signed
    listed = same[1]
    columns = ("earlier_decision", "earlier_date", "earlier_name", "earlier_note", "changed_since")
    assert [listed[kept][name] for name in columns] == ["keep", today, "Ann Example", "Income <proven>", "nothing"]
    assert listed[review_again]["earlier_decision"] == "review-again"
    assert {listed[undecided][name] for name in columns} == {""}


def test_card_and_page_say_what_was_decided(same, signed):
    """The card has the earlier decision; the page counts them; the note is text."""
    text = (same[0] / "offboarding.html").read_text()
    today = signed[2]
    assert f"Decided before: keep, on {today}, by Ann Example (name claimed)." in text
    assert "Income &lt;proven&gt;" in text
    assert text.count("Nothing has changed since") == 2
    assert "A person decided on 2 of these customers before" in text


def test_run_records_the_receipts_by_hash(same, signed):
    """run.json has the hashes of the receipts that the run has read."""
    said = json.loads((same[0] / "run.json").read_text())
    newest = max((signed[0] / "signed").glob("*.receipt.json"))
    assert said["earlier"] == {str(signed[0]): record.sha256(newest.read_bytes())}
    assert record.read_run(same[0]).run == said["run"]


def test_changes_since_the_decision_are_shown(synthetic, signed, tmp_path, write_tiny_bundle):
    """Another bundle gives another probability; lost transactions are counted."""
    write_tiny_bundle(tmp_path / "bundle", seed=3)
    tables = tmp_path / "tables"
    shutil.copytree(synthetic, tables)
    kept = signed[1][0]
    path = tables / "transactions_unlabelled.csv"
    rows = path.read_text().splitlines()
    own = [row for row in rows if kept in row]
    path.write_text("\n".join(row for row in rows if row not in own[:2]) + "\n")
    run(score, tmp_path / "bundle", tables, "--out", tmp_path / "out", "--earlier", signed[0])
    listed = pl.concat(
        pl.read_parquet(tmp_path / "out" / f"{name}.parquet").drop("decision", "name", "date", "note", strict=False)
        for name in ("offboarding", "review")
    ).filter(pl.col("customer_id") == kept)
    assert listed["earlier_decision"].to_list() == ["keep"]
    assert "The earlier score was made with another bundle." in listed["changed_since"].item()
    assert "The probability was " in listed["changed_since"].item()


def test_folder_without_a_sign_off_is_refused(tiny_bundle, synthetic, tmp_path, scoring_run):
    """A run without a sign-off is refused before anything is written."""
    with pytest.raises(SignOffError, match="has no sign-off"):
        run(score, tiny_bundle, synthetic, "--out", tmp_path / "out", "--earlier", scoring_run)
    assert not (tmp_path / "out").exists()


def test_run_without_earlier_ones_shows_no_decision(scoring_run):
    """Without --earlier the columns of earlier decisions are empty."""
    made = pl.read_parquet(scoring_run / "offboarding.parquet")
    assert set(made["earlier_decision"]) == set(made["changed_since"]) == {""}
    assert "Decided before" not in (scoring_run / "offboarding.html").read_text()
