"""A filled list checked line by line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from customer_risk.model.errors import SignOffError
from customer_risk.model.offboarding.people import Person
from customer_risk.model.offboarding.sign_off import check
from customer_risk.model.offboarding.spreadsheet import csv_bytes, read_sheet

NOW = datetime(2026, 1, 7, 15, 0, tzinfo=UTC)


@pytest.fixture
def hand_in(made, run_record):
    """Hand a filled frame (or the text of a file) in; gives the decisions."""

    def hand(filled: pl.DataFrame | str | bytes, **options):
        content = csv_bytes(filled) if isinstance(filled, pl.DataFrame) else filled
        content = content.encode() if isinstance(content, str) else content
        sheet = read_sheet(Path("filled.csv"), content)
        return check(
            sheet, made, run_record, where="filled.csv", now=options.pop("now", NOW), by=Person("registrar"), **options
        )

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
    """People write as they speak."""
    assert hand_in(at(decided, 1, decision=written))[0].decision == "off-board"


@pytest.mark.parametrize(
    ("cells", "field", "detail"),
    [
        ({"decision": ""}, "decision", "is empty"),
        ({"decision": "maybe"}, "decision", "is 'maybe', not off-board, keep or review-again"),
        ({"name": "  "}, "name", "is empty"),
        ({"name": "N/A"}, "name", "is 'N/A', which names nobody"),
        ({"name": "system"}, "name", "names nobody"),
        ({"name": "42"}, "name", "names nobody"),
        ({"name": "X."}, "name", "names nobody"),
        ({"date": ""}, "date", "is empty"),
        ({"date": "yesterday"}, "date", "no date like 2026-01-31"),
        ({"date": "06/01/2026"}, "date", "can be read in two ways.*--dates day-first"),
        ({"date": "31/01/2026"}, "date", "can be read in two ways"),
        ({"date": "2026-02-30"}, "date", "a day that no calendar has"),
        ({"date": "2026-01-09"}, "date", "in the future"),
        ({"date": "2026-01-04"}, "date", r"before the list was made \(2026-01-05\)"),
        ({"note": ""}, "note", "is empty"),
        ({"note": "-"}, "note", "says nothing"),
        ({"note": "n/a"}, "note", "says nothing"),
    ],
)
def test_unsigned_line_is_refused_by_name(hand_in, decided, cells, field, detail):
    """The refusal names the line, the customer, the field and what is wrong with it."""
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
    """Whoever changes what was proposed is told where."""
    customer = decided["customer_id"][1]
    with pytest.raises(SignOffError, match=f"line 2, customer {customer}, {next(iter(cells))}: was altered, from"):
        hand_in(at(decided, 2, **cells))


def test_removed_line_is_refused_by_name(hand_in, decided):
    """A customer can't be dropped from the list unnoticed."""
    customer = decided["customer_id"][3]
    with pytest.raises(
        SignOffError, match=f"1 line can't .*\n.*line 4, customer {customer}, the whole line: was removed"
    ):
        hand_in(decided.filter(pl.col("line") != 4))


def test_added_line_is_refused_by_name(hand_in, decided):
    """A customer whom nobody proposed can't be slipped in."""
    added = decided.tail(1).with_columns(line=pl.lit(999, pl.Int64), customer_id=pl.lit("slipped-in"))
    with pytest.raises(SignOffError, match="customer slipped-in, the whole line: isn't in the list"):
        hand_in(pl.concat([decided, added]))


def test_repeated_line_is_refused_by_name(hand_in, decided):
    """Two decisions on one customer are none."""
    with pytest.raises(SignOffError, match=r"line 1, .*is there twice"):
        hand_in(pl.concat([decided, decided.head(1)]))


def test_line_without_a_number_is_refused(hand_in, decided):
    """A cell that holds no number is no line."""
    text = decided.with_columns(pl.col("line").cast(pl.String)).with_columns(
        pl.when(pl.col("line") == "1").then(pl.lit("first")).otherwise(pl.col("line")).alias("line")
    )
    with pytest.raises(SignOffError, match="the whole line: isn't in the list"):
        hand_in(text)


def test_all_faults_are_named_at_once(hand_in, decided):
    """Nobody hands a list in ten times."""
    filled = at(at(at(decided, 1, decision="", name=""), 2, probability=0.5), 5, date="2027-01-01")
    with pytest.raises(SignOffError, match="3 lines can't be accepted") as refusal:
        hand_in(filled)
    named = [detail.split(",")[0] for detail in refusal.value.details]
    assert named == ["line 1", "line 1", "line 2", "line 5"]


def test_order_of_lines_and_columns_is_free(hand_in, decided):
    """Sorting in a spreadsheet alters nothing."""
    shuffled = decided.sample(fraction=1, shuffle=True, seed=1).select(sorted(decided.columns))
    assert hand_in(shuffled) == hand_in(decided)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_list_saved_by_a_spreadsheet_is_the_same_list(hand_in, decided, encoding):
    """Semicolons, decimal commas, trailing zeros lost and gained, CRLF and quotes change no decision."""
    import csv
    import io

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
def test_rewritten_dates_are_read_once_their_order_is_said(hand_in, decided, order, written):
    """A spreadsheet's own dates are no obstacle where somebody vouches for their order."""
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
    """A signer east of Greenwich may be a day ahead."""
    assert hand_in(decided.with_columns(pl.lit(day).alias("date")), now=now)


def test_a_long_note_is_kept_whole(hand_in, decided):
    """A note of 200 KiB, more than Python reads by default, is a note."""
    note = "case " * 40 * 1024 + "12"
    assert hand_in(at(decided, 1, note=note))[0].note == note


def test_names_of_unexpected_columns_are_shortened(hand_in, decided):
    """A column whose name is a row of customers isn't printed whole."""
    with pytest.raises(SignOffError, match=r"extra x{60}\.\.\.\.") as refusal:
        hand_in(decided.with_columns(pl.lit("y").alias("x" * 300_000)))
    assert len(str(refusal.value)) < 1000


def test_note_that_looks_like_a_formula_is_a_note(hand_in, decided):
    """An apostrophe that a spreadsheet needs is not part of the note."""
    assert hand_in(at(decided, 1, note="=see case 12"))[0].note == "=see case 12"


def test_missing_and_extra_columns_are_named(hand_in, decided):
    """The list's columns come back as they went."""
    with pytest.raises(SignOffError, match="missing evidence; extra mood"):
        hand_in(decided.drop("evidence").with_columns(pl.lit("good").alias("mood")))


def test_empty_extra_column_is_overlooked(hand_in, decided):
    """A spreadsheet's stray column says nothing."""
    assert hand_in(decided.with_columns(pl.lit(" ").alias("stray")))


def test_review_list_is_not_signed_off(hand_in, scoring_run):
    """What is to be reviewed was never proposed."""
    with pytest.raises(SignOffError, match=r"is a review list.*Only offboarding\.csv"):
        hand_in((scoring_run / "review.csv").read_bytes())


def test_list_of_another_run_is_refused_as_such(hand_in, decided):
    """One message instead of one for each cell."""
    with pytest.raises(SignOffError, match="belongs to another scoring run"):
        hand_in(decided.with_columns(pl.lit("f" * 64).alias("run")))


def test_empty_file_with_the_right_header_lost_every_line(hand_in, decided):
    """All lines removed is all lines named."""
    with pytest.raises(SignOffError, match=f"{decided.height} lines can't be accepted"):
        hand_in(decided.clear())
