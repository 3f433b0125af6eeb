"""Checks a filled list line by line."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl
import pytest

from customer_risk.model.config import SignOff, Token
from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding.people import Person
from customer_risk.model.offboarding.sign_off import VERDICTS, check
from customer_risk.model.offboarding.spreadsheet import csv_bytes, read_sheet
from customer_risk.model.offboarding.workbook import xlsx_bytes

if TYPE_CHECKING:
    from customer_risk.model.offboarding.record import Run

NOW = datetime(2026, 1, 7, 15, 0, tzinfo=UTC)


@pytest.fixture
def hand_in(made, run_record):
    """Check a filled frame, or the content of a file; return the decisions."""

    def hand(filled: pl.DataFrame | str | bytes, **options):
        content = csv_bytes(filled) if isinstance(filled, pl.DataFrame) else filled
        content = content.encode() if isinstance(content, str) else content
        sheet = read_sheet(Path("filled.csv"), content)
        options = {"run": run_record, "now": NOW, "by": Person("registrar")} | options
        return check(sheet, made, options.pop("run"), where="filled.csv", **options)

    return hand


def at(frame: pl.DataFrame, line: int, **cells: object) -> pl.DataFrame:
    """Change some cells of one line."""
    return frame.with_columns(
        pl.when(pl.col("line") == line).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in cells.items()
    )


def test_every_line_decided_is_accepted(hand_in, decided):
    """Each decision is kept with its customer, person, date and note, in the list's order."""
    decisions = hand_in(decided)
    assert [one.customer_id for one in decisions] == decided["customer_id"].to_list()
    first = decisions[0]
    assert (first.decision, first.name, first.date) == ("keep", "Ann Example", "2026-01-06")
    assert first.note == "Spoke with the customer"


@pytest.mark.parametrize("written", ["Off-Board", "OFF BOARD", "off_board", " off-board "])
def test_decisions_are_read_in_any_case(hand_in, decided, written):
    """Case, spaces, underscores and hyphens don't matter."""
    assert hand_in(at(decided, 1, decision=written))[0].decision == "off-board"


@pytest.mark.parametrize(
    ("cells", "field", "detail"),
    [
        ({"decision": ""}, "decision", "is empty"),
        ({"decision": "maybe"}, "decision", "isn't off-board, keep or review-again: 'maybe'"),
        ({"name": "  "}, "name", "is empty"),
        ({"name": "N/A"}, "name", "isn't a person's name: 'N/A'"),
        ({"name": "system"}, "name", "isn't a person's name"),
        ({"name": "42"}, "name", "isn't a person's name"),
        ({"name": "X."}, "name", "isn't a person's name"),
        ({"date": ""}, "date", "is empty"),
        ({"date": "yesterday"}, "date", "isn't a date like 2026-01-31: 'yesterday'"),
        ({"date": "06/01/2026"}, "date", "can be read in two ways.*--dates day-first"),
        ({"date": "31/01/2026"}, "date", "is in the future: '31/01/2026'"),
        ({"date": "01/31/2026"}, "date", "is in the future"),
        ({"date": "31/31/2026"}, "date", "isn't a date in the calendar"),
        ({"date": "2026-02-30"}, "date", "isn't a date in the calendar"),
        ({"date": "2026-01-09"}, "date", "in the future"),
        ({"date": "2026-01-04"}, "date", r"before the list was made \(2026-01-05\)"),
        ({"note": ""}, "note", "is empty"),
        ({"note": "-"}, "note", "gives no reason"),
        ({"note": "n/a"}, "note", "gives no reason"),
        ({"note": "\u3164\u200b"}, "note", "gives no reason"),
    ],
)
def test_unsigned_line_is_refused_by_name(hand_in, decided, cells, field, detail):
    """The message names the line, the customer, the field and what is wrong with it."""
    customer = decided["customer_id"][2]
    with pytest.raises(SignOffError, match=f"line 3, customer {customer}, {field}: .*{detail}"):
        hand_in(at(decided, 3, **cells))


@pytest.mark.parametrize(
    "cells",
    [
        {"probability": 0.1},
        {"segment": "low"},
        {"reasons": "NONE: nothing"},
        {"evidence": ""},
        {"speaks_against": "x"},
        {"high_share": 1.1},
        {"transactions": 7_777},
        {"customer_id": "somebody-else"},
        {"action": "none"},
        {"run": "0" * 64},
        {"model_version": "0" * 64},
    ],
    ids=lambda cells: next(iter(cells)),
)
def test_altered_cell_is_refused_by_name(hand_in, decided, cells):
    """The message names the altered cell."""
    customer = decided["customer_id"][1]
    with pytest.raises(SignOffError, match=f"line 2, customer {customer}, {next(iter(cells))}: was altered: from"):
        hand_in(at(decided, 2, **cells))


def test_added_line_is_refused_by_name(hand_in, decided):
    """A customer who isn't in the list that was made can't be added."""
    added = decided.tail(1).with_columns(line=pl.lit(999, pl.Int64), customer_id=pl.lit("slipped-in"))
    with pytest.raises(SignOffError, match="customer slipped-in, the whole line: isn't in the list"):
        hand_in(pl.concat([decided, added]))


def test_repeated_line_is_refused_by_name(hand_in, decided):
    """A line that is in the file twice is refused."""
    with pytest.raises(SignOffError, match=r"line 1, .*is in the file twice"):
        hand_in(pl.concat([decided, decided.head(1)]))


def test_line_without_a_number_is_refused(hand_in, decided):
    """A line whose number can't be read is refused."""
    text = decided.with_columns(pl.col("line").cast(pl.String)).with_columns(
        pl.when(pl.col("line") == "1").then(pl.lit("first")).otherwise(pl.col("line")).alias("line")
    )
    with pytest.raises(SignOffError, match="the whole line: isn't in the list"):
        hand_in(text)


def test_all_faults_are_named_at_once(hand_in, decided):
    """One message names the faults of all lines."""
    filled = at(at(at(decided, 1, decision="", name=""), 2, probability=0.5), 5, date="2027-01-01")
    with pytest.raises(SignOffError, match="3 lines can't be accepted") as refusal:
        hand_in(filled)
    named = [detail.split(",")[0] for detail in refusal.value.details]
    assert named == ["line 1", "line 1", "line 2", "line 5"]


@pytest.mark.parametrize(
    ("cells", "detail"),
    [
        ({"date": ""}, "date: is empty"),
        ({"decision": "", "name": "", "date": "", "note": ""}, "decision, name, date, note: all four cells are empty"),
        ({"date": "06/01/2026"}, "date: can be read in two ways; .*; in line 1, customer .*: '06/01/2026'"),
        ({"segment": "low"}, "segment: was altered; in line 1, customer .*: from 'high' to 'low'"),
    ],
    ids=["empty", "undecided", "dates", "altered"],
)
def test_a_fault_of_all_lines_is_reported_once(hand_in, decided, cells, detail):
    """The message has the number of lines, and the lines as ranges."""
    filled = decided.with_columns(pl.lit(value).alias(name) for name, value in cells.items())
    with pytest.raises(SignOffError) as refusal:
        hand_in(filled)
    (said,) = refusal.value.details
    assert re.fullmatch(rf"{decided.height} lines \(1-{decided.height}\), {detail}", said)


NOTHING = {"decision": "", "name": "", "date": "", "note": ""}


def test_partly_filled_list_is_accepted_as_a_part(hand_in, decided):
    """With `partial`, the decided lines are signed and the others left open."""
    half = at(at(decided, 1, **NOTHING), 3, **NOTHING)
    assert [one.line for one in hand_in(half, partial=True)] == [line for line in decided["line"] if line not in (1, 3)]


def test_partly_filled_list_is_refused_otherwise(hand_in, decided):
    """The message names an empty line, and --partial as the way to leave it open."""
    with pytest.raises(SignOffError, match=r"line 1, .*all four cells are empty\n.*--partial"):
        hand_in(at(decided, 1, **NOTHING))


@pytest.mark.parametrize("filled", ["decision", "name", "date", "note"])
@pytest.mark.parametrize("partial", [True, False])
def test_partly_filled_line_is_a_fault(hand_in, decided, filled, partial):
    """A line with some empty sign-off cells is refused, with and without `partial`."""
    cells = {name: "" for name in NOTHING if name != filled}
    with pytest.raises(SignOffError, match="1 line can't be accepted") as refusal:
        hand_in(at(decided, 2, **cells), partial=partial)
    said = {detail.split(", ")[2] for detail in refusal.value.details}
    assert said == {f"{name}: is empty" for name in cells}


def test_a_part_without_a_decision_is_refused(hand_in, made):
    """With `partial`, a list without any decision is refused."""
    with pytest.raises(SignOffError, match=r"No line of filled\.csv has a decision"):
        hand_in(made, partial=True)


@pytest.mark.parametrize("partial", [True, False])
def test_removed_line_is_not_an_open_line(hand_in, decided, partial):
    """A removed line is refused by its number and customer, with and without `partial`."""
    problem = f"1 line can't .*\n.*line 4, customer {decided['customer_id'][3]}, the whole line: was removed"
    with pytest.raises(SignOffError, match=problem):
        hand_in(decided.filter(pl.col("line") != 4), partial=partial)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("29/11/2025", "2025-11-29"),
        ("2025/11/29", "2025-11-29"),
        ("2025.12.1", "2025-12-01"),
        ("11/29/2025", "2025-11-29"),
        ("29.11.2025", "2025-11-29"),
        ("11-29-2025", "2025-11-29"),
        ("12/12/2025", "2025-12-12"),
    ],
)
def test_date_that_can_be_read_in_one_way_is_read(hand_in, decided, run_record, written, read):
    """A day above 12, or a day that equals its month, needs no --dates."""
    run = msgspec.structs.replace(run_record, made_at=datetime(2025, 11, 1, tzinfo=UTC))
    decisions = hand_in(decided.with_columns(pl.lit(written).alias("date")), run=run)
    assert {one.date for one in decisions} == {read}


@pytest.mark.parametrize(
    ("others", "hint"),
    [
        (["29/12/2025"], "; the date in line 2 is day-first"),
        (["12/29/2025"], "; the date in line 2 is month-first"),
        (["29/12/2025", "12/29/2025"], "; the file has both orders, in lines 2 and 3"),
        (["12/12/2025", "2026-01-06"], ""),
    ],
)
def test_ambiguous_date_is_refused_with_what_other_lines_prove(hand_in, decided, run_record, others, hint):
    """No order is assumed, and the message says which order the file's other dates have."""
    run = msgspec.structs.replace(run_record, made_at=datetime(2025, 12, 1, tzinfo=UTC))
    filled = at(decided, 1, date="06/01/2026")
    for line, day in enumerate(others, start=2):
        filled = at(filled, line, date=day)
    with pytest.raises(SignOffError, match=f"--dates month-first{hint}: '06/01/2026'\n"):
        hand_in(filled, run=run)


def ruled(run: Run, **rules: object) -> Run:
    """The run with rules of sign-off."""
    return msgspec.structs.replace(run, sign_off=SignOff(**rules))


ANN = Person("Ann Example", verified=True, issuer="https://issuer.example/", subject="u-1")
BOB = Person("Bob Example", verified=True, issuer="https://issuer.example/", subject="u-2")
TOKEN = Token(issuer="https://issuer.example/", audience="sign-off", jwks="keys.json", required=True)


def test_signers_are_on_the_list(hand_in, decided, run_record):
    """A person who may not sign is refused, once for all lines."""
    with pytest.raises(SignOffError, match=r"name: isn't among the signers of this run .*; in line 1.*'Ann Example'"):
        hand_in(decided, run=ruled(run_record, signers=("Eve Example",)))


@pytest.mark.parametrize("listed", ["Ann Example", " ann  EXAMPLE", "\uff21nn Example", "A\u200bnn Example"])
def test_names_are_compared_as_people_read_them(hand_in, decided, run_record, listed):
    """Case, white space, width and invisible characters don't make another person."""
    assert hand_in(decided, run=ruled(run_record, signers=(listed,)))


def test_signers_may_be_listed_by_the_subject_of_their_token(hand_in, decided, run_record):
    """A subject on the list allows a verified person, but not a claimed name that equals it."""
    run = ruled(run_record, signers=("u-1",))
    assert hand_in(decided, run=run, by=ANN)
    with pytest.raises(SignOffError, match="isn't among the signers of this run"):
        hand_in(decided, run=run, by=Person("Ann Example"))


def test_name_is_verified_if_it_is_the_tokens_person(hand_in, decided):
    """Other names in a list that a person with a token hands in are claimed."""
    decisions = hand_in(at(decided, 2, name="Bob Example"), by=ANN)
    assert [one.verified for one in decisions[:3]] == [True, False, True]
    assert not any(one.verified for one in hand_in(decided))


def test_name_may_be_left_to_the_token(hand_in, decided):
    """A person with a token needn't type the name; without a token, an empty name is a fault."""
    filled = at(decided, 1, name="")
    first = hand_in(filled, by=ANN)[0]
    assert (first.name, first.verified) == ("Ann Example", True)
    with pytest.raises(SignOffError, match="name: is empty"):
        hand_in(filled)


def test_required_token_is_the_person_of_each_line(hand_in, decided, run_record):
    """If a token is required, claimed names and the names of other people are refused."""
    run = ruled(run_record, token=TOKEN)
    assert all(one.verified for one in hand_in(decided, run=run, by=ANN))
    with pytest.raises(SignOffError, match="The name registrar is only claimed, and this scoring run requires a token"):
        hand_in(decided, run=run)
    with pytest.raises(SignOffError, match="name: isn't the person of the token, Bob Example"):
        hand_in(decided, run=run, by=BOB)


def test_order_of_lines_and_columns_is_free(hand_in, decided):
    """Lines and columns may be in any order."""
    shuffled = decided.sample(fraction=1, shuffle=True, seed=1).select(sorted(decided.columns))
    assert hand_in(shuffled) == hand_in(decided)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_list_saved_by_a_spreadsheet_is_the_same_list(hand_in, decided, encoding):
    """Semicolons, decimal commas, trailing zeros, CRLF and quotes change no decision."""
    import csv

    rows = list(csv.reader(io.StringIO(csv_bytes(decided).decode(), newline="")))
    numbers = [rows[0].index(name) for name in ("probability", "low", "high", "high_share")]
    for row in rows[1:]:
        for column in numbers:
            row[column] = f"{float(row[column]):.6f}".replace(".", ",")
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";", lineterminator="\r\n").writerows(rows)
    assert hand_in(out.getvalue().encode(encoding)) == hand_in(decided)


@pytest.mark.parametrize(
    ("order", "written"), [("day-first", "06/01/2026"), ("day-first", "6.1.2026"), ("month-first", "1/6/2026")]
)
def test_rewritten_dates_are_read_with_a_given_order(hand_in, decided, order, written):
    """With an order of day and month, a spreadsheet's own dates are read."""
    decisions = hand_in(decided.with_columns(pl.lit(written).alias("date")), date_order=order)
    assert {one.date for one in decisions} == {"2026-01-06"}


@pytest.mark.parametrize(
    ("day", "now"),
    [
        ("2026-01-05", datetime(2026, 1, 5, 12, 0, tzinfo=UTC)),
        ("2026-01-06", datetime(2026, 1, 5, 12, 0, tzinfo=UTC)),  # already so in Auckland
    ],
)
def test_date_is_todays_wherever_the_signer_is(hand_in, decided, day, now):
    """A signer east of Greenwich may be a day ahead of UTC."""
    assert hand_in(decided.with_columns(pl.lit(day).alias("date")), now=now)


def test_a_long_note_is_kept_whole(hand_in, decided):
    """A note of 200 KiB, more than Python's CSV reader allows by default, is kept."""
    note = "case " * 40 * 1024 + "12"
    assert hand_in(at(decided, 1, note=note))[0].note == note


@pytest.mark.parametrize(
    ("name", "shown"), [("Evidence", "Evidence"), ("x" * 300_000, r"x{60}\.\.\.\.")], ids=["short", "long"]
)
def test_a_renamed_column_is_missing(hand_in, decided, name, shown):
    """A column of the list under another name isn't read as a comment; the message has its shortened name."""
    with pytest.raises(
        SignOffError, match=f"lacks columns of the list: evidence; it has other columns: {shown}"
    ) as refusal:
        hand_in(decided.rename({"evidence": name}))
    assert len(str(refusal.value)) < 1000


def test_note_that_looks_like_a_formula_is_a_note(hand_in, decided):
    """The apostrophe before a formula isn't part of the note."""
    assert hand_in(at(decided, 1, note="=see case 12"))[0].note == "=see case 12"


def test_additional_columns_are_comments(hand_in, decided):
    """The text of an added column is kept for each line."""
    told = decided.with_columns(pl.when(pl.col("line") == 1).then(pl.lit("=ask Bob")).alias("mood"))
    first, second, *_ = hand_in(told)
    assert (first.comments, second.comments) == ({"mood": "=ask Bob"}, {})


def test_a_column_without_a_name_needs_one(hand_in, decided):
    """Text in a column without a heading is refused."""
    text = csv_bytes(decided.select(pl.lit("x").alias("nameless"), pl.all())).decode()
    with pytest.raises(SignOffError, match="text in a column without a name"):
        hand_in(text.replace("nameless", "", 1))


def test_empty_extra_column_is_overlooked(hand_in, decided):
    """An empty column that a spreadsheet added is ignored."""
    assert hand_in(decided.with_columns(pl.lit(" ").alias("stray")))


def test_review_list_is_not_signed_off(hand_in, scoring_run):
    """The message about a review list names the list to sign off."""
    with pytest.raises(SignOffError, match=r"is a review list.*Sign off the off-boarding list"):
        hand_in((scoring_run / "review.csv").read_bytes())


def test_list_of_another_run_is_refused_as_such(hand_in, decided):
    """One message says that the list is from another run, instead of one for each cell."""
    with pytest.raises(SignOffError, match="belongs to another scoring run"):
        hand_in(decided.with_columns(pl.lit("f" * 64).alias("run")))


def test_empty_file_with_the_right_header_lacks_every_line(hand_in, decided):
    """If all lines were removed, all lines are reported."""
    with pytest.raises(SignOffError, match=f"{decided.height} lines can't be accepted"):
        hand_in(decided.clear())


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
@pytest.mark.parametrize("text", ["'=1", "''=1", "=1", "'quoted'", "'"])
def test_apostrophes_of_the_list_itself_are_unaltered(decided, run_record, suffix, text):
    """Only CSV has an apostrophe before formulas; text that begins with an apostrophe is unaltered in every format."""
    made = decided.with_columns(pl.lit(text).alias("evidence"))
    buffer = io.BytesIO()
    made.write_parquet(buffer)
    content = {
        ".csv": csv_bytes(made),
        ".parquet": buffer.getvalue(),
        ".xlsx": xlsx_bytes(made, made_at=NOW, verdicts=VERDICTS),
    }[suffix]
    sheet = read_sheet(Path(f"filled{suffix}"), content)
    assert check(sheet, made, run_record, where="filled", now=NOW, by=Person("registrar"))
