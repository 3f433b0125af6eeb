"""Accepts lists, whole or in parts, and approvals."""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import polars as pl
import pytest

from customer_risk.model.config import SignOff, Token
from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding import receipts, record
from customer_risk.model.offboarding.decided_before import read_sign_offs
from customer_risk.model.offboarding.people import Person
from customer_risk.model.offboarding.receipts import Chain
from customer_risk.model.offboarding.scoring_run import write_run
from customer_risk.model.offboarding.sign_command import status
from customer_risk.model.offboarding.signed import signed_lines
from customer_risk.model.offboarding.signing import approve, sign
from customer_risk.model.offboarding.spreadsheet import csv_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from customer_risk.model.offboarding.record import Run

MADE_AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NOW = datetime(2026, 1, 7, 15, 0, tzinfo=UTC)


@pytest.fixture
def run_folder(scoring_run, tmp_path):
    """A copy of a run's folder that may be changed."""
    shutil.copytree(scoring_run, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def hand_in(run_folder, tmp_path):
    """Write a filled frame to a file and sign it."""

    def hand(filled: pl.DataFrame, name: str = "filled.csv", **options):
        path = tmp_path / name
        path.write_bytes(csv_bytes(filled))
        return sign(path, run_folder, run_folder / "signed", now=NOW, by=Person("registrar"), **options)

    return hand


@pytest.fixture
def other(decided):
    """The same list with another decision on one line."""
    return decided.with_columns(
        pl.when(pl.col("line") == 1).then(pl.lit("review-again")).otherwise("decision").alias("decision")
    )


def test_copy_is_the_unchanged_file_under_its_hash_and_read_only(hand_in, decided, run_folder):
    """The file that was handed in is kept unchanged."""
    receipt, new = hand_in(decided)
    copy = run_folder / "signed" / receipt.file
    assert new
    assert copy.name == f"{receipt.sha256}.csv"
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == receipt.sha256
    assert copy.read_bytes() == csv_bytes(decided)
    assert copy.stat().st_mode & 0o777 == 0o444


def test_receipt_says_what_was_decided_on_by_whom(hand_in, decided, run_folder, run_record):
    """A receipt has the hashes of the sources, counts, signers and every decision."""
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
    """An analyst may fill in the run's own offboarding.csv."""
    path = run_folder / "offboarding.csv"
    path.write_bytes(csv_bytes(decided))
    assert sign(path, run_folder, run_folder / "signed", now=NOW, by=Person("registrar"))[1]


def test_same_decisions_again_change_nothing(hand_in, decided, run_folder):
    """Handing in the same decisions twice, even in another file, is one sign-off."""
    first, _ = hand_in(decided)
    again, new = hand_in(decided.sort("line", descending=True), "again.csv")
    assert (again, new) == (first, False)
    assert sorted(path.name for path in (run_folder / "signed").iterdir()) == [".lock", "0001.receipt.json", first.file]


def test_other_decisions_are_refused_and_the_lines_named(hand_in, decided, other):
    """Other decisions on a signed list are refused, with their lines."""
    hand_in(decided)
    with pytest.raises(
        SignOffError, match=f"signed off with other decisions .*\n.*line 1, customer {decided['customer_id'][0]}"
    ):
        hand_in(other)


def test_superseding_needs_a_reason_and_an_earlier_sign_off(hand_in, decided, other):
    """--supersede is refused without a reason, and if there is no earlier sign-off."""
    with pytest.raises(SignOffError, match="no earlier sign-off"):
        hand_in(decided, supersede=True, why="because")
    hand_in(decided)
    with pytest.raises(SignOffError, match="--supersede needs a reason"):
        hand_in(other, supersede=True, why=" ")


def test_superseding_keeps_both_and_says_which_counts(hand_in, decided, other, run_folder):
    """The earlier sign-off is kept, and the later sign-off names it."""
    first, _ = hand_in(decided)
    second, new = hand_in(other, supersede=True, why="new documents")
    assert new
    assert (second.number, second.supersedes, second.why) == (2, 1, "new documents")
    assert (run_folder / "signed" / first.file).exists()
    with pytest.raises(SignOffError, match="receipt 2"):
        hand_in(decided)
    third, _ = hand_in(decided, supersede=True, why="documents were forged")
    assert (third.supersedes, third.file) == (2, first.file)


def test_refused_list_leaves_nothing(hand_in, made, run_folder):
    """A list that isn't accepted isn't kept."""
    with pytest.raises(SignOffError, match="can't be accepted"):
        hand_in(made)
    assert not (run_folder / "signed").exists()


def test_altered_copy_is_detected(hand_in, decided, other, run_folder):
    """An edited copy is detected at the next sign-off."""
    receipt, _ = hand_in(decided)
    copy = run_folder / "signed" / receipt.file
    copy.chmod(0o644)
    copy.write_bytes(csv_bytes(other))
    with pytest.raises(SignOffError, match="kept under receipt 1, was altered or removed"):
        hand_in(decided)


def test_receipts_are_read_in_the_order_of_their_numbers(monkeypatch, hand_in, decided, run_folder):
    """A number with more digits comes after the others, for the next sign-off and for `score --earlier`."""
    monkeypatch.setattr(receipts, "_RECEIPT", "{:d}.receipt.json")
    for count in range(11):
        hand_in(decided.with_columns(pl.lit(f"comment {count}").alias("mood")))
    newest = (run_folder / "signed" / "11.receipt.json").read_bytes()
    assert Chain(run_folder / "signed").last_digest == record.sha256(newest)
    assert read_sign_offs([run_folder]).receipts == {str(run_folder): record.sha256(newest)}


def test_copy_without_receipt_was_never_accepted(hand_in, decided, run_folder):
    """After a crash between copy and receipt, the list can be handed in again."""
    receipt, _ = hand_in(decided)
    (run_folder / "signed" / "0001.receipt.json").unlink()
    again, new = hand_in(decided)
    assert new
    assert (again.file, again.number) == (receipt.file, 1)


def test_altered_run_cannot_be_signed(hand_in, decided, run_folder):
    """A list is refused if the scores of its run were changed."""
    (run_folder / "scores.parquet").write_bytes(b"other scores")
    with pytest.raises(SignOffError, match=r"scores\.parquet was altered"):
        hand_in(decided)


def rewritten(folder: Path, *, list_: pl.DataFrame, scores: pl.DataFrame | None = None, forged: bool) -> None:
    """Replace the list, or the scores too, of a run, and write run.json for it; a forged one keeps the run's id."""
    run = record.read_run(folder)
    files = dict(run.files)
    for name, frame in {"offboarding.parquet": list_, "scores.parquet": scores}.items():
        if frame is not None:
            frame.write_parquet(folder / name)
            files[name] = record.sha256((folder / name).read_bytes())
    run = msgspec.structs.replace(run, files=files)
    if not forged:
        run = msgspec.structs.replace(
            record.identified(msgspec.structs.replace(run, scores=files["scores.parquet"])), files=files
        )
    (folder / "run.json").write_bytes(record.encode(run))


def test_list_without_customers_has_nothing_to_sign(made, run_folder, decided, hand_in):
    """A list without a proposed customer can't be signed."""
    scores = pl.read_parquet(run_folder / "scores.parquet").with_columns(pl.lit("").alias("list"))
    rewritten(run_folder, list_=made.clear(), scores=scores, forged=False)
    with pytest.raises(SignOffError, match="proposes no customer"):
        hand_in(decided)


@pytest.mark.parametrize("act", ["sign", "approve", "status"])
@pytest.mark.parametrize("change", ["a customer less", "another customer", "a customer less in the scores too"])
def test_list_of_other_customers_than_proposed_is_refused_with_its_hash_too(
    made, run_folder, decided, hand_in, act, change
):
    """The run's id depends on the scores, and the list must have their proposed customers."""
    scores = pl.read_parquet(run_folder / "scores.parquet")
    gone = made["customer_id"][0]
    scores_too = change == "a customer less in the scores too"
    rewritten(
        run_folder,
        list_=made.with_columns(pl.col("customer_id").replace(gone, "c-other"))
        if change == "another customer"
        else made.filter(pl.col("customer_id") != gone),
        scores=scores.filter(pl.col("customer_id") != gone) if scores_too else None,
        forged=True,
    )
    problem = r"scores\.parquet was altered" if scores_too else "doesn't have the customers whom its scores propose"
    acts = {
        "sign": lambda: hand_in(decided),
        "approve": lambda: approve(run_folder, run_folder / "signed", now=NOW, by=Person("approver")),
        "status": lambda: status(scores=run_folder, out=None),
    }
    with pytest.raises(SignOffError, match=problem):
        acts[act]()


def test_file_and_folder_that_cannot_be_used_are_named(decided, run_folder, tmp_path):
    """The message names a missing file, and a folder that can't be written."""
    with pytest.raises(SignOffError, match=r"nowhere\.csv can't be read"):
        sign(tmp_path / "nowhere.csv", run_folder, tmp_path / "signed", now=NOW, by=Person("registrar"))
    (tmp_path / "blocked").write_text("a file")
    (tmp_path / "filled.csv").write_bytes(csv_bytes(decided))
    with pytest.raises(SignOffError, match="blocked can't be written"):
        sign(tmp_path / "filled.csv", run_folder, tmp_path / "blocked", now=NOW, by=Person("registrar"))


def test_of_several_sign_offs_at_once_one_is_kept(decided, run_folder, tmp_path):
    """If several threads hand in the same list at once, one receipt is written."""
    (tmp_path / "filled.csv").write_bytes(csv_bytes(decided))

    def hand(_):
        return sign(tmp_path / "filled.csv", run_folder, run_folder / "signed", now=NOW, by=Person("registrar"))

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(hand, range(8)))
    assert sum(new for _, new in results) == 1
    assert len({receipt.number for receipt, _ in results}) == 1


def test_two_runs_may_share_a_folder(hand_in, decided, run_folder, scored, tmp_path):
    """Receipts of several lists form one chain, and each list has its own sign-off."""
    hand_in(decided)
    later = write_run(
        tmp_path / "later", scored, tables={}, cohort="unlabelled", made_at=datetime(2026, 1, 6, tzinfo=UTC)
    )
    filled = decided.with_columns(pl.lit(later.run).alias("run"))
    (tmp_path / "later.csv").write_bytes(csv_bytes(filled))
    receipt, new = sign(
        tmp_path / "later.csv", tmp_path / "later", run_folder / "signed", now=NOW, by=Person("registrar")
    )
    assert (receipt.number, receipt.supersedes, new) == (2, None, True)
    assert receipt.follows is not None


NOTHING = {"decision": "", "name": "", "date": "", "note": ""}


def only(filled: pl.DataFrame, *lines: int) -> pl.DataFrame:
    """Return the list with decisions on some lines only."""
    return filled.with_columns(
        pl.when(pl.col("line").is_in(lines)).then(pl.col(name)).otherwise(pl.lit("")).alias(name) for name in NOTHING
    )


def test_a_part_leaves_the_rest_open(hand_in, decided):
    """The receipt has the decided lines, and says how many are open."""
    receipt, new = hand_in(only(decided, 1, 3), partial=True)
    assert (new, receipt.open, [one.line for one in receipt.decisions]) == (True, decided.height - 2, [1, 3])
    assert sum(receipt.counts.values()) == 2


@pytest.mark.parametrize("earlier", ["the same", "empty"])
def test_later_part_adds_to_the_earlier_ones(hand_in, decided, run_folder, run_record, earlier):
    """Lines that were decided before may be the same or empty; together, the parts are the list."""
    hand_in(only(decided, 1, 2), partial=True)
    rest = set(decided["line"].to_list()) - {1, 2}
    second, _ = hand_in(decided if earlier == "the same" else only(decided, *rest), partial=earlier == "empty")
    assert (second.open, second.supersedes) == (0, None)
    signed = signed_lines(Chain(run_folder / "signed").of_run(run_record.run), run_record)
    assert [one.decision.decision for one in signed.values()] == decided["decision"].to_list()
    assert [one.receipt.number for one in signed.values()] == [1, 1] + [2] * (decided.height - 2)
    assert all(one.final for one in signed.values())


def test_changed_decision_of_a_part_needs_supersede(hand_in, decided, other, run_folder, run_record):
    """A part that changes a decision is refused; superseding changes only that line."""
    hand_in(only(decided, 1, 2), partial=True)
    with pytest.raises(SignOffError, match=r"differs:\n +line 1, customer .* \(receipt 1\)\n"):
        hand_in(only(other, 1, 3), partial=True)
    receipt, _ = hand_in(only(other, 1, 3), partial=True, supersede=True, why="new documents")
    assert (receipt.supersedes, receipt.open) == (1, decided.height - 3)
    signed = signed_lines(Chain(run_folder / "signed").of_run(run_record.run), run_record)
    assert [(line, one.receipt.number) for line, one in signed.items()] == [(1, 2), (2, 1), (3, 2)]


def test_the_same_part_again_changes_nothing(hand_in, decided):
    """Handing a part in twice is one sign-off, also after the rest was signed."""
    hand_in(only(decided, 1, 2), partial=True)
    whole, _ = hand_in(decided)
    assert hand_in(only(decided, 2), partial=True) == (whole, False)


def test_a_known_part_returns_its_own_receipt(hand_in, decided):
    """If a part is handed in again, its own receipt is returned, not that of another part."""
    first, _ = hand_in(only(decided, 1), partial=True)
    hand_in(only(decided, 2), partial=True)
    assert hand_in(only(decided, 1), partial=True) == (first, False)


def test_comments_are_kept_per_line(hand_in, decided):
    """New comments on the same decisions give a new receipt that supersedes nothing."""
    first, _ = hand_in(decided)
    second, new = hand_in(decided.with_columns(pl.when(pl.col("line") == 2).then(pl.lit("ask Bob")).alias("mood")))
    assert first.decisions[1].comments == {}
    assert (new, second.supersedes, second.decisions[1].comments) == (True, None, {"mood": "ask Bob"})


def test_claimed_name_is_verified_by_handing_the_same_decisions_in_with_a_token(decided, run_folder, run_record):
    """A token for a claimed name gives a new receipt without --supersede; a claimed name after it does not."""
    ann = Person("Ann Example", verified=True, issuer="https://i.example/", subject="u-1")
    named = decided.with_columns(pl.lit("Ann Example").alias("name"))
    assert [hand(named, run_folder, by)[1] for by in (Person("Ann Example"), ann, ann, Person("Ann Example"))] == [
        True,
        True,
        False,
        False,
    ]
    signed = signed_lines(Chain(run_folder / "signed").of_run(run_record.run), run_record)
    assert all(one.decision.verified and one.receipt.number == 2 for one in signed.values())


@pytest.fixture
def four_eyes(scored, tmp_path, decided):
    """A run that requires a second approver, its signed folder, and its decided list."""

    def make(**rules: object):
        rules = {"second_approver": True} | rules
        folder = tmp_path / "four"
        run = write_run(folder, scored, tables={}, cohort="unlabelled", made_at=MADE_AT, sign_off=SignOff(**rules))
        return run, folder, decided.with_columns(pl.lit(run.run).alias("run"))

    return make


def hand(filled: pl.DataFrame, folder: Path, by: Person = Person("Ann Example"), **options: object):  # noqa: B008  it is frozen
    """Hand a filled list in."""
    path = folder.parent / "filled.csv"
    path.write_bytes(csv_bytes(filled))
    return sign(path, folder, folder / "signed", now=NOW, by=by, **options)


def states(run: Run, folder: Path) -> dict[int, bool]:
    """Return which lines are final."""
    return {line: one.final for line, one in signed_lines(Chain(folder / "signed").of_run(run.run), run).items()}


def test_decisions_wait_for_a_second_approver(four_eyes):
    """A decision is final after another person approved it; the approval has the name, the date and the lines."""
    run, folder, filled = four_eyes()
    receipt, _ = hand(filled, folder)
    assert not any(states(run, folder).values())
    (approval,), left = approve(folder, folder / "signed", now=NOW, by=Person("Bob Example"), note="read all")
    assert all(states(run, folder).values())
    assert (approval.approves, approval.approved_on, approval.approved_by) == (1, "2026-01-07", "Bob Example")
    assert (approval.lines, approval.note, left) == (tuple(filled["line"]), "read all", [])
    path = folder / "signed" / f"{receipt.number:04d}.receipt.json"
    assert approval.approved == approval.follows == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["Ann Example", "ANN  example", "\uff21nn Example", "Clerk Example"])
def test_deciding_person_cannot_approve(four_eyes, name):
    """The person who decided and the person who handed the list in can't be the second approver."""
    _, folder, filled = four_eyes()
    hand(filled, folder, Person("Clerk Example"))
    with pytest.raises(SignOffError, match=rf"decided on or handed in lines 1-{filled.height}"):
        approve(folder, folder / "signed", now=NOW, by=Person(name))


def test_one_token_is_one_person_under_any_name(four_eyes):
    """A person with another name in the token is recognised by the subject."""
    _, folder, filled = four_eyes()
    ann = Person("Ann Example", verified=True, issuer="https://i.example/", subject="u-1")
    hand(filled, folder, ann)
    married = Person("Ann Other", verified=True, issuer="https://i.example/", subject="u-1")
    with pytest.raises(SignOffError, match="Ann Other decided on or handed in"):
        approve(folder, folder / "signed", now=NOW, by=married)


def test_approver_leaves_own_decisions_to_others(four_eyes):
    """If several people decided on lines of a list, each approves the lines of the others."""
    run, folder, filled = four_eyes()
    mixed = filled.with_columns(
        pl.when(pl.col("line") <= 2).then(pl.lit("Bob Example")).otherwise("name").alias("name")
    )
    hand(mixed, folder, Person("Clerk Example"))
    _, left = approve(folder, folder / "signed", now=NOW, by=Person("Bob Example"))
    assert left == [1, 2]
    approve(folder, folder / "signed", now=NOW, by=Person("Ann Example"))
    assert all(states(run, folder).values())


def test_receipts_are_approved_one_by_one_or_together(four_eyes):
    """With a number, one receipt is approved; without a number, every waiting receipt."""
    run, folder, filled = four_eyes()
    for lines in ([1], [2], [3]):
        hand(only(filled, *lines), folder, partial=True)
    approve(folder, folder / "signed", now=NOW, by=Person("Bob Example"), number=2)
    assert states(run, folder) == {1: False, 2: True, 3: False}
    approvals, _ = approve(folder, folder / "signed", now=NOW, by=Person("Bob Example"))
    assert [one.approves for one in approvals] == [1, 3]
    assert all(states(run, folder).values())


def test_changed_decision_needs_its_own_approval(four_eyes):
    """Superseding an approved decision makes it wait again; an unchanged one stays approved."""
    run, folder, filled = four_eyes()
    hand(only(filled, 1, 2), folder, partial=True)
    approve(folder, folder / "signed", now=NOW, by=Person("Bob Example"))
    changed = filled.with_columns(
        pl.when(pl.col("line") == 1).then(pl.lit("review-again")).otherwise("decision").alias("decision")
    )
    hand(only(changed, 1, 2), folder, partial=True, supersede=True, why="new documents")
    assert states(run, folder) == {1: False, 2: True}


def test_approvers_are_on_the_list(four_eyes):
    """A person who may not approve is refused, and those who may are named."""
    _, folder, filled = four_eyes(approvers=("Bob Example", "Eve Example"))
    hand(filled, folder)
    with pytest.raises(
        SignOffError, match=r"Dan Example \(claimed\) isn't among the approvers .*\n? ?.*: Bob Example, Eve Example"
    ):
        approve(folder, folder / "signed", now=NOW, by=Person("Dan Example"))
    assert approve(folder, folder / "signed", now=NOW, by=Person("eve example"))[1] == []


def test_approver_needs_a_token_where_one_is_required(four_eyes):
    """A claimed name can't approve if the run requires a token."""
    token = Token(issuer="https://i.example/", audience="a", jwks="keys.json", required=True)
    _, folder, filled = four_eyes(token=token)
    ann = Person("Ann Example", verified=True, issuer="https://i.example/", subject="u-1")
    hand(filled, folder, ann)
    with pytest.raises(SignOffError, match="The name Bob Example is only claimed"):
        approve(folder, folder / "signed", now=NOW, by=Person("Bob Example"))


@pytest.mark.parametrize(
    ("number", "problem"), [(None, "No decision of .*signed waits"), (1, "No decision of receipt 1 waits")]
)
def test_nothing_to_approve_is_refused(four_eyes, number, problem):
    """An approval is refused if no decision waits: before the first sign-off, and once all are approved."""
    _, folder, filled = four_eyes()
    with pytest.raises(SignOffError, match=problem):
        approve(folder, folder / "signed", now=NOW, by=Person("Bob Example"), number=number)
    hand(filled, folder)
    approve(folder, folder / "signed", now=NOW, by=Person("Bob Example"))
    with pytest.raises(SignOffError, match=problem):
        approve(folder, folder / "signed", now=NOW, by=Person("Eve Example"), number=number)


def test_run_without_second_approver_needs_no_approval(hand_in, decided, run_folder):
    """An approval is refused if the run needs no second approver."""
    hand_in(decided)
    with pytest.raises(SignOffError, match="needs no second approver"):
        approve(run_folder, run_folder / "signed", now=NOW, by=Person("Bob Example"))


@pytest.mark.parametrize(
    ("now", "name", "said"),
    [
        (datetime(2026, 1, 7, 14, 59, tzinfo=UTC), "Bob Example", r"lines 1-\d+ are later than this machine's time"),
        (datetime(2026, 1, 4, tzinfo=UTC), "Bob Example", r"lines 1-\d+ are later than this machine's time"),
        *((NOW, name, "isn't a person's name") for name in ("", "n/a", "42")),
    ],
)
def test_approval_before_the_decision_or_by_a_placeholder_is_refused(four_eyes, now, name, said):
    """An approval needs a time after the decision and a person's name."""
    _, folder, filled = four_eyes()
    hand(filled, folder)
    with pytest.raises(SignOffError, match=said):
        approve(folder, folder / "signed", now=now, by=Person(name))
