"""A filled off-boarding list against the list that was made: every line decided by a named person, none altered."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

from customer_risk.model.errors import SignOffError
from customer_risk.model.escaping import list_names, shortened
from customer_risk.model.offboarding.lists import SIGN_OFF
from customer_risk.model.tables.cells import unescape_cell

if TYPE_CHECKING:
    import polars as pl

    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.offboarding.spreadsheet import Sheet

Verdict = Literal["off-board", "keep", "review-again"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
DateOrder = Literal["iso", "day-first", "month-first"]
_EARLIEST, _LATEST = timedelta(hours=-12), timedelta(hours=14)  # UTC's offsets around the world: a signer's own date
_PLACEHOLDERS: Final = frozenset(
    ["anonymous", "auto", "automatic", "model", "n/a", "na", "nobody", "none", "nn", "system", "tbc", "tbd", "unknown"]
)
_SHOWN: Final = 60


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a named person decided on one line; `date` is ISO 8601."""

    line: int
    customer_id: str
    decision: Verdict
    name: str
    date: str
    note: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that keeps a line from being accepted."""

    line: int
    customer_id: str
    field: str
    detail: str

    def __str__(self) -> str:
        return f"line {self.line}, customer {self.customer_id}, {self.field}: {self.detail}"


def check(
    sheet: Sheet, made: pl.DataFrame, run: Run, *, where: str, now: datetime, date_order: DateOrder = "iso"
) -> list[Decision]:
    """Check a filled list against the list `made` by `run`; return a decision for each line, in the list's order.

    Raises SignOffError naming every unsigned, altered, removed or added line at once: its number in the list, its
    customer and the field. `now` is aware; a date counts as today's or the run's wherever on Earth it may be that
    date.
    """
    _check_columns(sheet, made, where)
    wanted = {row["line"]: row for row in made.iter_rows(named=True)}
    found, faults = _lines(sheet, wanted)
    runs = {cells["run"].strip() for cells in found.values()}
    if found and run.run not in runs:
        raise SignOffError(
            f"{where} belongs to another scoring run ({', '.join(sorted(runs))[:_SHOWN]}), not to {run.run[:16]}.",
            remedy="Name the folder that its list was made in with --scores.",
        )
    decisions = []
    for line, row in wanted.items():
        if line not in found:
            faults.append(Fault(line, row["customer_id"], "the whole line", "was removed"))
            continue
        altered = _altered(found[line], row, line, sheet.decimal)
        decision, unsigned = _decision(found[line], row, run, now, date_order)
        faults += altered + unsigned
        decisions.append(decision)
    if faults:
        lines = len({fault.line for fault in faults})
        raise SignOffError(
            f"{where}: {lines} line{'s' if lines != 1 else ''} can't be accepted:",
            details=tuple(str(fault) for fault in sorted(faults, key=lambda fault: fault.line)),
            remedy="Have each decided (off-board, keep or review-again) by a named person with a date and a note, and "
            "leave all other cells as they were made; nothing was kept.",
        )
    return [decision for decision in decisions if decision is not None]


def _check_columns(sheet: Sheet, made: pl.DataFrame, where: str) -> None:
    missing = [name for name in made.columns if name not in sheet.columns]
    extra = [name for name in sheet.columns if name not in made.columns]
    extra = [name for name in extra if any(cells[name].strip() for _, cells in sheet.rows)]
    if set(missing) >= set(SIGN_OFF) and "run" in sheet.columns:
        raise SignOffError(
            f"{where} is a review list: it has no sign-off fields.", remedy="Only offboarding.csv is signed off."
        )
    if missing or extra:
        parts = [f"missing {', '.join(missing)}"] * bool(missing) + [f"extra {list_names(extra)}"] * bool(extra)
        raise SignOffError(
            f"{where} has not the list's columns: {'; '.join(parts)}.", remedy="Fill in offboarding.csv as it was made."
        )


def _lines(sheet: Sheet, wanted: dict[int, dict[str, object]]) -> tuple[dict[int, dict[str, str]], list[Fault]]:
    """Find each line of the list by its number, in whatever order the file holds them."""
    found: dict[int, dict[str, str]] = {}
    faults = []
    for number, cells in sheet.rows:
        value = _number(cells["line"], sheet.decimal)
        customer = shortened(unescape_cell(cells["customer_id"]))
        line = int(value) if value is not None and value == int(value) else None
        if line is None or line not in wanted:
            faults.append(Fault(number, customer, "the whole line", "isn't in the list that was made"))
        elif line in found:
            faults.append(Fault(line, customer, "the whole line", "is there twice"))
        else:
            found[line] = cells
    return found, faults


def _altered(cells: dict[str, str], row: dict[str, object], line: int, decimal: str) -> list[Fault]:
    """Compare every cell but the sign-off fields; a number may have lost or gained zeros, a text only white space."""
    faults = []
    for name, was in row.items():
        if name in SIGN_OFF:
            continue
        cell = cells[name]
        if isinstance(was, int | float):
            value = _number(cell, decimal)
            same = value is not None and math.isclose(value, was, rel_tol=0, abs_tol=1e-9)
        else:
            same = " ".join(unescape_cell(cell).split()) == " ".join(str(was or "").split())
        if not same:
            faults.append(
                Fault(line, str(row["customer_id"]), name, f"was altered, from {_short(was)} to {_short(cell)}")
            )
    return faults


def _decision(
    cells: dict[str, str], row: dict[str, object], run: Run, now: datetime, date_order: DateOrder
) -> tuple[Decision | None, list[Fault]]:
    said = {name: " ".join(unescape_cell(cells[name].strip()).split()) for name in SIGN_OFF}
    verdict = re.sub(r"[\s_]+", "-", said["decision"].casefold())
    day, dated = _date(said["date"], run, now, date_order)
    problems = {
        "decision": ""
        if verdict in VERDICTS
        else f"is {_short(said['decision'])}, not off-board, keep or review-again",
        "name": "" if _is_name(said["name"]) else f"is {_short(said['name'])}, which names nobody",
        "date": dated,
        "note": ""
        if re.search(r"\w", said["note"]) and said["note"].casefold() not in _PLACEHOLDERS
        else "says nothing",
    }
    line, customer = int(str(row["line"])), str(row["customer_id"])
    faults = [
        Fault(line, customer, name, problem if said[name] else "is empty")
        for name, problem in problems.items()
        if problem
    ]
    decided = next((one for one in VERDICTS if one == verdict), None)
    if faults or day is None or decided is None:
        return None, faults
    return (
        Decision(
            line=line,
            customer_id=customer,
            decision=decided,
            name=said["name"],
            date=day.isoformat(),
            note=said["note"],
        ),
        [],
    )


def _is_name(text: str) -> bool:
    return len(re.findall(r"[^\W\d_]", text)) > 1 and text.casefold().strip(".-/ ") not in _PLACEHOLDERS


_NUMBERED: Final = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})")
_ISO: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})([T ]00:00(:00(\.0+)?)?)?")  # Parquet may carry midnight


def _date(text: str, run: Run, now: datetime, order: DateOrder) -> tuple[date | None, str]:
    """Read a date, and say what is wrong with it ("" for nothing)."""
    try:
        if match := _ISO.fullmatch(text):
            day = date(int(match[1]), int(match[2]), int(match[3]))
        elif match := _NUMBERED.fullmatch(text):
            if order == "iso":
                return None, (
                    f"is {text}, which can be read in two ways; write it as 2026-01-31, "
                    "or say --dates day-first or --dates month-first"
                )
            first, second = int(match[1]), int(match[2])
            day = date(int(match[3]), *((second, first) if order == "day-first" else (first, second)))
        else:
            return None, f"is {_short(text)}, no date like 2026-01-31"
    except ValueError:
        return None, f"is {text}, a day that no calendar has"
    if day > (now + _LATEST).date():
        return None, f"is {day}, in the future"
    if day < (run.made_at + _EARLIEST).date():
        return None, f"is {day}, before the list was made ({run.made_at:%Y-%m-%d})"
    return day, ""


def _number(cell: str, decimal: str) -> float | None:
    """Read a number as a spreadsheet may have saved it; None where it is none."""
    try:
        return float(unescape_cell(cell.strip()).replace(decimal, ".") or "nan")
    except ValueError:
        return None


def _short(value: object) -> str:
    text = " ".join(str("" if value is None else value).split())
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
