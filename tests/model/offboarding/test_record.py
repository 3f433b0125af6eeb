"""The record of a scoring run, run.json."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from msgspec import UNSET

from customer_risk.model.config import SignOff
from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding.record import hash_tables, identified, read_run, verified
from customer_risk.model.tables.mapping import Mapping, TableMapping


@pytest.fixture
def copied(scoring_run, tmp_path):
    """A run's folder that may be changed."""
    shutil.copytree(scoring_run, tmp_path / "run")
    return tmp_path / "run"


def test_run_id_is_the_hash_of_what_it_is_made_of(run_record):
    """The same fields give the same id, a changed field gives another id."""
    import msgspec

    assert identified(run_record).run == run_record.run
    assert identified(msgspec.structs.replace(run_record, scores="f" * 64)).run != run_record.run


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ('"corroboration_minimum": 1', '"corroboration_minimum": 2'),
        ('"second_approver": false', '"second_approver": true'),
    ],
    ids=["threshold", "rules of sign-off"],
)
def test_altered_record_is_refused(copied, was, now):
    """A changed threshold or rule doesn't go with the run's id."""
    path = copied / "run.json"
    assert was in path.read_text()
    path.write_text(path.read_text().replace(was, now))
    with pytest.raises(SignOffError, match="was altered"):
        read_run(copied)


@pytest.mark.parametrize("content", ["", "[]", '{"run": 1}'])
def test_unreadable_record_is_refused(copied, content):
    """A folder without a readable record isn't a run."""
    (copied / "run.json").write_text(content)
    with pytest.raises(SignOffError, match="can't be read as a scoring run's record"):
        read_run(copied)


def test_record_of_another_schema_version_is_refused(copied):
    """The record of a newer release is refused."""
    said = json.loads((copied / "run.json").read_text()) | {"schema_version": 3}
    (copied / "run.json").write_text(json.dumps(said))
    with pytest.raises(SignOffError, match="schema version 3; this release reads 1 and 2"):
        read_run(copied)


def test_file_with_one_flipped_byte_is_refused(copied, run_record):
    """A changed byte in a file of the run is detected."""
    path = copied / "offboarding.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(SignOffError, match=r"offboarding\.parquet was altered after the run"):
        verified(copied, run_record, "offboarding.parquet")


def test_removed_file_is_refused(copied, run_record):
    """A missing file of the run is reported."""
    (copied / "scores.parquet").unlink()
    with pytest.raises(SignOffError, match=r"scores\.parquet can't be read"):
        verified(copied, run_record, "scores.parquet")


def test_tables_are_named_with_their_sha256(tmp_path):
    """Only the files that the cohort is read from are hashed, and the users of the other cohort."""
    for name in (
        "users_unlabelled.csv",
        "transactions_unlabelled.parquet",
        "users_labelled.csv",
        "transactions_labelled.csv",
    ):
        (tmp_path / name).write_text(name)
    hashes = hash_tables(tmp_path, "unlabelled", Mapping())
    assert hashes == {
        name: hashlib.sha256(name.encode()).hexdigest()
        for name in ("transactions_unlabelled.parquet", "users_labelled.csv", "users_unlabelled.csv")
    }


def test_mapped_files_are_hashed_under_their_own_names(tmp_path):
    """The record has the file names of another bank."""
    (tmp_path / "clients.csv").write_text("x")
    mapping = Mapping(users=TableMapping(files={"unlabelled": "clients"}))
    assert list(hash_tables(tmp_path, "unlabelled", mapping)) == ["clients.csv"]


def test_run_of_schema_version_1_is_read():
    """A run of an earlier release keeps its id and names no rule's version; every person may decide on its list."""
    run = read_run(Path(__file__).parents[2] / "data" / "scoring-run-1")
    assert (run.schema_version, run.rules) == (1, SignOff())
    assert run.action_rule is run.action_rule_from is run.wordings is run.earlier is UNSET


def test_record_names_the_rule_with_its_origin_and_the_wordings(scoring_run, scored):
    """An auditor reads which rule and which texts made the list; LARGE_AMOUNT has the quantile in EUR."""
    said = json.loads((scoring_run / "run.json").read_text())
    assert said["schema_version"] == 2
    assert (said["bundle"], said["corroboration"]) == (scored.bundle.version, scored.criteria.rule.patterns)
    assert (said["action_rule"], said["action_rule_from"], said["earlier"]) == (2, "bundle", {})
    assert said["wordings"] in {1, 2}
    assert said["corroboration"]["LARGE_AMOUNT"]["usual"] == scored.criteria.rule.patterns["LARGE_AMOUNT"]["usual"] > 0
