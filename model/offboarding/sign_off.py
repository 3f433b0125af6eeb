"""Checks the decisions in a filled off-boarding list, and that its other cells are those of the list that was made."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

from customer_risk.model.errors import SignOffError
from customer_risk.model.escaping import list_names, shortened
from customer_risk.model.offboarding.faults import Fault, tell
from customer_risk.model.offboarding.people import Person, is_name, is_placeholder, visible
from customer_risk.model.offboarding.workbook import SIGN_OFF, cut_cell
from customer_risk.model.tables.cells import unescape_cell

if TYPE_CHECKING:
    import polars as pl

    from customer_risk.model.config import SignOff
    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.offboarding.spreadsheet import Sheet

Verdict = Literal["off-board", "keep", "review-again"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
DateOrder = Literal["iso", "day-first", "month-first"]
_EARLIEST, _LATEST = timedelta(hours=-12), timedelta(hours=14)  # extreme offsets from UTC
_MONTHS: Final = 12


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a named person decided on one line; `date` is ISO 8601.

    `verified` is true if the token of the person who handed the list in proves the name; otherwise the name is claimed.
    `comments` are the texts in columns that were added to the list.
    """

    line: int
    customer_id: str
    decision: Verdict
    name: str
    date: str
    note: str
    verified: bool = False
    comments: dict[str, str] = {}

    def same(self, other: Decision) -> bool:
        """Whether another decision equals this one; comments and the proof of the name don't matter."""
        return _parts(self) == _parts(other)

    def covers(self, other: Decision) -> bool:
        """Whether another decision equals this one and doesn't prove a name that is only claimed here."""
        return self.same(other) and self.verified >= other.verified


@dataclass(frozen=True, slots=True)
class _Reader:
    """The settings with which the sign-off cells of a line are read."""

    run: Run
    now: datetime
    by: Person
    order: DateOrder
    hint: str

    @property
    def rules(self) -> SignOff:
        return self.run.rules


def check(
    sheet: Sheet,
    made: pl.DataFrame,
    run: Run,
    *,
    where: str,
    now: datetime,
    by: Person,
    partial: bool = False,
    date_order: DateOrder = "iso",
) -> list[Decision]:
    """Check a filled list against the list `made` by `run`; return the decisions, in the list's order.

    Every line must be decided. With `partial`, at least one line must be decided, and the four cells of the others must
    be empty. `by` is the person who hands the list in; if a token proves the name, lines without a name get it. `now`
    has a time zone. A date may be today's, or the day of the run, in any time zone. Raises SignOffError naming all
    unsigned, altered, removed or added lines at once.
    """
    require_token(by, run.rules)
    comments = _check_columns(sheet, made, where)
    wanted = {row["line"]: row for row in made.iter_rows(named=True)}
    found, faults = _lines(sheet, wanted)
    runs = {cells["run"].strip() for cells in found.values()}
    if found and run.run not in runs:
        raise SignOffError(
            f"{where} belongs to another scoring run ({', '.join(sorted(runs))[:60]}), not to {run.run[:16]}.",
            remedy="Name the folder that its list was made in with --scores.",
        )
    reader = _Reader(run, now, by, date_order, _hint(found))
    decisions = []
    for line, row in wanted.items():
        if line not in found:
            faults.append(Fault(line, row["customer_id"], "the whole line", "was removed"))
            continue
        cells = found[line]
        faults += _altered(cells, row, line, sheet.decimal)
        said = {name: " ".join(unescape_cell(cells[name].strip()).split()) for name in SIGN_OFF}
        if not any(said.values()):
            if not partial:
                faults.append(Fault(line, row["customer_id"], ", ".join(SIGN_OFF), "all four cells are empty"))
            continue
        kept = {name: text for name in comments if (text := unescape_cell(cells[name].strip()))}
        decision, unsigned = _decision(said, row, kept, reader)
        faults += unsigned
        decisions.append(decision)
    if faults:
        lines = len({fault.line for fault in faults})
        raise SignOffError(
            f"{where}: {lines} line{'s' if lines != 1 else ''} can't be accepted:",
            details=tell(faults),
            remedy="Each line needs a decision (off-board, keep or review-again), a name, a date and a note. With "
            "--partial, all four may be empty. Don't change other cells. Nothing was kept.",
        )
    if not decisions:
        raise SignOffError(f"No line of {where} has a decision.", remedy="Decide on at least one line.")
    return [decision for decision in decisions if decision is not None]


def require_token(by: Person, rules: SignOff) -> None:
    """Raise SignOffError if the rules require a token and the person has none."""
    if rules.token is not None and rules.token.required and not by.verified:
        raise SignOffError(
            f"The name {by.name} is only claimed, and this scoring run requires a token.",
            remedy=f"Give an ID token from {rules.token.issuer} with --token-file.",
        )


def latest_day(now: datetime) -> date:
    """Return the date in the time zone that is furthest ahead of UTC."""
    return (now + _LATEST).date()


def _parts(one: Decision) -> tuple[object, ...]:
    return one.line, one.customer_id, one.decision, one.name, one.date, one.note


def _check_columns(sheet: Sheet, made: pl.DataFrame, where: str) -> list[str]:
    """Return the names of the columns that were added and have text."""
    missing = [name for name in made.columns if name not in sheet.columns]
    added = [name for name in sheet.columns if name not in made.columns]
    added = [name for name in added if any(cells[name].strip() for _, cells in sheet.rows)]
    if set(missing) >= set(SIGN_OFF) and "run" in sheet.columns:
        raise SignOffError(
            f"{where} is a review list, which has no sign-off columns.", remedy="Sign off the off-boarding list."
        )
    if missing:
        renamed = f"; it has other columns: {list_names(added)}" if added else ""
        raise SignOffError(
            f"{where} lacks columns of the list: {', '.join(missing)}{renamed}.",
            remedy="Keep the list's columns and their names unchanged. You may add columns.",
        )
    if "" in added:
        raise SignOffError(f"{where} has text in a column without a name.", remedy="Give each added column a name.")
    return added


def _lines(sheet: Sheet, wanted: dict[int, dict[str, object]]) -> tuple[dict[int, dict[str, str]], list[Fault]]:
    """Find each line of the list by its number; the file may have the lines in any order."""
    found: dict[int, dict[str, str]] = {}
    faults = []
    for number, cells in sheet.rows:
        value = _number(cells["line"], sheet.decimal)
        customer = shortened(unescape_cell(cells["customer_id"]))
        line = int(value) if value is not None and math.isfinite(value) and value == int(value) else None
        if line is None or line not in wanted:
            faults.append(Fault(number, customer, "the whole line", "isn't in the list that was made"))
        elif line in found:
            faults.append(Fault(line, customer, "the whole line", "is in the file twice"))
        else:
            found[line] = cells
    return found, faults


def _altered(cells: dict[str, str], row: dict[str, object], line: int, decimal: str) -> list[Fault]:
    """Compare all cells except the sign-off cells, whatever the zeros of a number and the white space of a text."""
    faults = []
    for name, was in row.items():
        if name in SIGN_OFF:
            continue
        cell = cells[name]
        if isinstance(was, int | float):
            value = _number(cell, decimal)
            same = value is not None and math.isclose(value, was, rel_tol=0, abs_tol=1e-9)
        else:
            text = str(was or "")
            read = {_spaced(cell), _spaced(unescape_cell(cell))}  # only CSV has apostrophes before formulas
            same = not read.isdisjoint((_spaced(text), _spaced(cut_cell(text))))
        if not same:
            faults.append(
                Fault(line, str(row["customer_id"]), name, "was altered", f"from {_short(was)} to {_short(cell)}")
            )
    return faults


def _decision(
    said: dict[str, str], row: dict[str, object], comments: dict[str, str], reader: _Reader
) -> tuple[Decision | None, list[Fault]]:
    name = said["name"] or (reader.by.name if reader.by.verified else "")
    verdict = re.sub(r"[\s_]+", "-", said["decision"].casefold())
    day, undated = _date(said["date"], reader)
    problems = {
        "decision": "" if verdict in VERDICTS else "isn't off-board, keep or review-again",
        "name": _problem_of_name(name, reader),
        "date": undated,
        "note": ""
        if re.search(r"\w", visible(said["note"])) and not is_placeholder(said["note"])
        else "gives no reason",
    }
    line, customer = int(str(row["line"])), str(row["customer_id"])
    texts = said | {"name": name}
    faults = [
        Fault(line, customer, field, problem, _short(texts[field]))
        if texts[field]
        else Fault(line, customer, field, "is empty")
        for field, problem in problems.items()
        if problem
    ]
    decided = next((one for one in VERDICTS if one == verdict), None)
    if faults or day is None or decided is None:
        return None, faults
    decision = Decision(
        line=line,
        customer_id=customer,
        decision=decided,
        name=name,
        date=day.isoformat(),
        note=said["note"],
        verified=reader.by.verified and reader.by.is_named(name),
        comments=comments,
    )
    return decision, []


def _problem_of_name(name: str, reader: _Reader) -> str:
    if not is_name(name):
        return "isn't a person's name"
    token = reader.rules.token
    if token is not None and token.required and not reader.by.is_named(name):
        return f"isn't the person of the token, {reader.by.name}"
    person = reader.by if reader.by.verified and reader.by.is_named(name) else Person(name)
    return "" if person.is_on(reader.rules.signers) else "isn't among the signers of this run (sign_off.signers)"


_NUMBERED: Final = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})")
_YEAR_FIRST: Final = re.compile(r"(\d{4})[./-](\d{1,2})[./-](\d{1,2})")
_ISO: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?")  # a cell may have a time of day


def _date(text: str, reader: _Reader) -> tuple[date | None, str]:
    """Return the date, and what is wrong with it; "" if it is valid."""
    try:
        if match := _ISO.fullmatch(text) or _YEAR_FIRST.fullmatch(text):
            day = date(int(match[1]), int(match[2]), int(match[3]))
        elif match := _NUMBERED.fullmatch(text):
            first, second = int(match[1]), int(match[2])
            order = reader.order if reader.order != "iso" else _only_order(first, second)
            if not order:
                return None, (
                    "can be read in two ways; write it as 2026-01-31, or give --dates day-first or --dates month-first"
                    f"{reader.hint}"
                )
            day = date(int(match[3]), *((second, first) if order == "day-first" else (first, second)))
        else:
            return None, "isn't a date like 2026-01-31"
    except ValueError:
        return None, "isn't a date in the calendar"
    if day > latest_day(reader.now):
        return None, "is in the future"
    if day < (reader.run.made_at + _EARLIEST).date():
        return None, f"is before the list was made ({reader.run.made_at:%Y-%m-%d})"
    return day, ""


def _only_order(first: int, second: int) -> str:
    """Return the only order in which two numbers can be a day and a month; "" if both orders are possible."""
    if first > _MONTHS or first == second:
        return "day-first"
    return "month-first" if second > _MONTHS else ""


def _hint(found: Mapping[int, Mapping[str, str]]) -> str:
    """Return which order of day and month the file's unambiguous dates have, as the end of a message."""
    proofs: dict[str, int] = {}
    for line, cells in found.items():
        match = _NUMBERED.fullmatch(cells["date"].strip())
        if match and match[1] != match[2] and (order := _only_order(int(match[1]), int(match[2]))):
            proofs.setdefault(order, line)
    if len(proofs) > 1:
        return f"; the file has both orders, in lines {' and '.join(str(line) for line in proofs.values())}"
    return "".join(f"; the date in line {line} is {order}" for order, line in proofs.items())


def _number(cell: str, decimal: str) -> float | None:
    """Read a number as a spreadsheet may have saved it; None if it isn't a number."""
    try:
        return float(unescape_cell(cell.strip()).replace(decimal, ".") or "nan")
    except ValueError:
        return None


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _short(value: object) -> str:
    return repr(shortened("" if value is None else value))
