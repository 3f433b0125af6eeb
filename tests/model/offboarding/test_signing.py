"""A list handed in and kept, in parts too, and approved by another person."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import polars as pl
import pytest

from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding.people import Person
from customer_risk.model.offboarding.signing import sign
from customer_risk.model.offboarding.spreadsheet import csv_bytes

NOW = datetime(2026, 1, 7, 15, 0, tzinfo=UTC)


@pytest.fixture
def run_folder(scoring_run, tmp_path):
    """A run's folder that may be changed."""
    shutil.copytree(scoring_run, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def hand_in(run_folder, tmp_path):
    """Write a filled frame to a file and sign it."""

    def hand(filled: pl.DataFrame, name: str = "filled.csv", **options):
        path = tmp_path / name
        if path.suffix == ".parquet":
            filled.write_parquet(path)
        else:
            path.write_bytes(csv_bytes(filled))
        return sign(path, run_folder, run_folder / "signed", now=NOW, by=Person("registrar"), **options)

    return hand


@pytest.fixture
def other(decided):
    """The same list, one line decided otherwise."""
    return decided.with_columns(
        pl.when(pl.col("line") == 1).then(pl.lit("review-again")).otherwise("decision").alias("decision")
    )


def test_copy_is_the_very_file_under_its_hash_and_read_only(hand_in, decided, run_folder):
    """What people handed in is kept to the byte."""
    receipt, new = hand_in(decided)
    copy = run_folder / "signed" / receipt.file
    assert new
    assert copy.name == f"{receipt.sha256}.csv"
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == receipt.sha256
    assert copy.read_bytes() == csv_bytes(decided)
    assert copy.stat().st_mode & 0o777 == 0o444


def test_receipt_says_what_was_decided_on_by_whom(hand_in, decided, run_folder, run_record):
    """Hashes of the sources, counts, signers and every decision."""
    hand_in(decided)
    path = run_folder / "signed" / "0001.receipt.json"
    receipt = json.loads(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o444
    assert receipt["run"] == run_record.run
    assert receipt["bundle"] == run_record.bundle
    assert receipt["scores"] == run_record.files["scores.parquet"]
    assert receipt["list"] == run_record.files["offboarding.parquet"]
    assert sum(receipt["counts"].values()) == decided.height == receipt["signers"]["Ann Example"]
    assert receipt["received_by"] == "registrar"
    assert [one["customer_id"] for one in receipt["decisions"]] == decided["customer_id"].to_list()


def test_list_filled_in_where_it_was_made_is_accepted(decided, run_folder):
    """An analyst may fill in the very offboarding.csv of the run."""
    path = run_folder / "offboarding.csv"
    path.write_bytes(csv_bytes(decided))
    assert sign(path, run_folder, run_folder / "signed", now=NOW, by=Person("registrar"))[1]


def test_parquet_is_accepted(hand_in, decided):
    """A case system may hand the list in as Parquet."""
    receipt, _ = hand_in(decided, "filled.parquet")
    assert receipt.file.endswith(".parquet")


def test_same_decisions_again_change_nothing(hand_in, decided, run_folder):
    """Handing in twice, even saved otherwise, is one sign-off."""
    first, _ = hand_in(decided)
    again, new = hand_in(decided.sort("line", descending=True), "again.csv")
    assert (again, new) == (first, False)
    assert sorted(path.name for path in (run_folder / "signed").iterdir()) == [
        ".lock",
        "0001.receipt.json",
        first.file,
    ]


def test_other_decisions_are_refused_and_the_lines_named(hand_in, decided, other):
    """A sign-off isn't changed by handing in another."""
    hand_in(decided)
    with pytest.raises(
        SignOffError, match=f"signed off with other decisions .*\n.*line 1, customer {decided['customer_id'][0]}"
    ):
        hand_in(other)


def test_superseding_needs_a_reason(hand_in, decided, other):
    """A second thought is written down."""
    hand_in(decided)
    with pytest.raises(SignOffError, match="needs its reason"):
        hand_in(other, supersede=True, why=" ")


def test_superseding_keeps_both_and_says_which_counts(hand_in, decided, other, run_folder):
    """The earlier sign-off stays, and the later one names it."""
    first, _ = hand_in(decided)
    second, new = hand_in(other, supersede=True, why="new documents")
    assert new
    assert (second.number, second.supersedes, second.why) == (2, 1, "new documents")
    assert (run_folder / "signed" / first.file).exists()
    with pytest.raises(SignOffError, match="receipt 2"):
        hand_in(decided)
    third, _ = hand_in(decided, supersede=True, why="documents were forged")
    assert (third.supersedes, third.file) == (2, first.file)


def test_nothing_to_supersede_is_refused(hand_in, decided):
    """A first sign-off supersedes nothing."""
    with pytest.raises(SignOffError, match="no earlier sign-off"):
        hand_in(decided, supersede=True, why="because")


def test_refused_list_leaves_nothing(hand_in, made, run_folder):
    """A list that isn't accepted isn't kept."""
    with pytest.raises(SignOffError, match="can't be accepted"):
        hand_in(made)
    assert not (run_folder / "signed").exists()


def test_altered_copy_is_noticed(hand_in, decided, other, run_folder):
    """Whoever edits a signed copy is found out at the next sign-off."""
    receipt, _ = hand_in(decided)
    copy = run_folder / "signed" / receipt.file
    copy.chmod(0o644)
    copy.write_bytes(csv_bytes(other))
    with pytest.raises(SignOffError, match="kept under receipt 1, was altered or removed"):
        hand_in(decided)


@pytest.mark.parametrize("how", ["alter", "remove", "garble"])
def test_altered_receipt_is_noticed(hand_in, decided, other, run_folder, how):
    """Receipts are chained: none can be changed or dropped behind a later one."""
    hand_in(decided)
    hand_in(other, supersede=True, why="new documents")
    first = run_folder / "signed" / "0001.receipt.json"
    first.chmod(0o644)
    if how == "remove":
        first.unlink()
    else:
        first.write_text(first.read_text().replace("Ann Example", "Eve Example") if how == "alter" else "{")
    with pytest.raises(SignOffError, match=r"doesn't follow from the receipt before it|can't be read"):
        hand_in(decided)


def test_copy_without_receipt_was_never_accepted(hand_in, decided, run_folder):
    """A crash between copy and receipt is mended by handing in again."""
    receipt, _ = hand_in(decided)
    (run_folder / "signed" / "0001.receipt.json").unlink()
    again, new = hand_in(decided)
    assert new
    assert (again.file, again.number) == (receipt.file, 1)


def test_altered_run_cannot_be_signed(hand_in, decided, run_folder):
    """A list whose scores changed underneath is refused."""
    (run_folder / "scores.parquet").write_bytes(b"other scores")
    with pytest.raises(SignOffError, match=r"scores\.parquet was altered"):
        hand_in(decided)


def test_list_that_proposes_nobody_has_nothing_to_sign(made, run_folder, decided, hand_in):
    """An empty list is told as such."""
    import msgspec

    from customer_risk.model.offboarding import record

    buffer = io.BytesIO()
    made.clear().write_parquet(buffer)
    (run_folder / "offboarding.parquet").write_bytes(buffer.getvalue())
    run = record.read_run(run_folder)
    files = run.files | {"offboarding.parquet": record.sha256(buffer.getvalue())}
    (run_folder / "run.json").write_bytes(record.encode(msgspec.structs.replace(run, files=files)))
    with pytest.raises(SignOffError, match="proposes nobody"):
        hand_in(decided)


def test_unreadable_file_is_refused(run_folder, tmp_path):
    """A file that isn't there is named."""
    with pytest.raises(SignOffError, match=r"nowhere\.csv can't be read"):
        sign(tmp_path / "nowhere.csv", run_folder, tmp_path / "signed", now=NOW, by=Person("registrar"))


def test_place_that_cannot_be_written_is_named(decided, run_folder, tmp_path):
    """The refusal says where the copies were to go."""
    (tmp_path / "blocked").write_text("a file")
    (tmp_path / "filled.csv").write_bytes(csv_bytes(decided))
    with pytest.raises(SignOffError, match="blocked can't be written"):
        sign(tmp_path / "filled.csv", run_folder, tmp_path / "blocked", now=NOW, by=Person("registrar"))


def test_of_several_at_once_one_is_kept(decided, run_folder, tmp_path):
    """Two clerks with the same list make one receipt; with different ones, the second is refused."""
    (tmp_path / "filled.csv").write_bytes(csv_bytes(decided))

    def hand(_):
        return sign(tmp_path / "filled.csv", run_folder, run_folder / "signed", now=NOW, by=Person("registrar"))

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(hand, range(8)))
    assert sum(new for _, new in results) == 1
    assert len({receipt.number for receipt, _ in results}) == 1


def test_two_runs_may_share_a_folder(hand_in, decided, run_folder, scored, tmp_path):
    """Receipts of several lists form one chain, and each list has its own sign-off."""
    from customer_risk.model.offboarding.scoring_run import write_run

    hand_in(decided)
    later = write_run(
        tmp_path / "later",
        scored,
        tables={},
        cohort="unlabelled",
        made_at=datetime(2026, 1, 6, tzinfo=UTC),
    )
    filled = decided.with_columns(pl.lit(later.run).alias("run"))
    (tmp_path / "later.csv").write_bytes(csv_bytes(filled))
    receipt, new = sign(
        tmp_path / "later.csv", tmp_path / "later", run_folder / "signed", now=NOW, by=Person("registrar")
    )
    assert (receipt.number, receipt.supersedes, new) == (2, None, True)
    assert receipt.follows is not None
