"""Detects how a folder's CSV files are written, and proposes the setting of the mapping that reads them."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from customer_risk.model.csv_records import BadCsv, read_records
from customer_risk.model.errors import ColumnMismatch, TableError, TableMissing
from customer_risk.model.tables.csv_form import DECIMAL_COMMA, CsvForm, date_pattern
from customer_risk.model.tables.mapping import COHORTS, KINDS, Mapping, columns_of, schema_of
from customer_risk.model.tables.storage import find

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from customer_risk.model.tables.checks import Kind

_SAMPLE: Final = 256 * 1024  # bytes
_MOST_RECORDS: Final = 1000
_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_FORMATS: Final = tuple(
    mark.join(parts)
    for mark, parts in itertools.product(
        "./-",
        [("DD", "MM", "YYYY"), ("D", "M", "YYYY"), ("MM", "DD", "YYYY"), ("M", "D", "YYYY"), ("YYYY", "MM", "DD")],
    )
    if (mark, parts) != ("-", ("YYYY", "MM", "DD"))  # it is always readable
)
_COMMA: Final = re.compile(DECIMAL_COMMA)
_POINT: Final = re.compile(r"-?[0-9]+\.[0-9]+\Z")
_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")


@dataclass(frozen=True, slots=True)
class Found:
    """What one file's beginning says: `form` reads it, `said` tells each difference from the present form."""

    kind: Kind
    file: str
    form: CsvForm
    said: tuple[str, ...]


def propose(folder: Path, mapping: Mapping) -> str | None:
    """Return what to add to the mapping so that the folder's CSV files can be read; None where nothing is to add."""
    found = list(_findings(folder, mapping))
    by_said: dict[str, tuple[str, ...]] = {}
    for each in found:
        for said in each.said:
            by_said[said] = (*by_said.get(said, ()), each.file)
    if not by_said:
        return None
    by_files: dict[tuple[str, ...], list[str]] = {}
    for said, files in by_said.items():
        by_files.setdefault(files, []).append(said)
    sentences = (
        f"{_listed(files)} {'is' if len(files) == 1 else 'are'} {_listed(said)}" for files, said in by_files.items()
    )
    return f"{'; '.join(sentences)}. Set in the mapping (--mapping): {_setting(found, mapping)}"


def advised(error: TableError, folder: Path, mapping: Mapping | None) -> TableError:
    """Return the error with the setting that would read the folder's CSV files in its remedy, if there is one."""
    proposal = propose(folder, mapping or Mapping())
    if proposal is None or proposal in error.remedy:
        return error
    certain = isinstance(error, ColumnMismatch) or isinstance(error.__cause__, BadCsv)
    told = type(error)(
        error.problem, details=error.details, remedy=proposal if certain else f"{error.remedy} {proposal}"
    )
    told.__cause__ = error.__cause__
    return told


@contextmanager
def advising(folder: Path, mapping: Mapping | None) -> Iterator[None]:
    """Raise errors of tables with the setting that would read the folder's CSV files, if there is one."""
    try:
        yield
    except TableError as error:
        told = advised(error, folder, mapping)
        if told is error:
            raise
        raise told from error.__cause__


def _findings(folder: Path, mapping: Mapping) -> Iterator[Found]:
    for kind, cohort in itertools.product(KINDS, COHORTS):
        try:
            path = find(folder, mapping.file(kind, cohort))
            if path.suffix == ".csv":
                yield _examined(path, kind, mapping)
        except (TableMissing, OSError):
            continue


def _examined(path: Path, kind: Kind, mapping: Mapping) -> Found:
    form = mapping.form(kind)
    said = []
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    encoding = _encoding(path, sample, form)
    if encoding != form.encoding:
        said.append(f"in {encoding} instead of {form.encoding}")
    wanted = {mapping.column(kind, column) for column in columns_of(kind, "labelled")}
    separator = _separator(sample, encoding, form, wanted)
    if separator != form.sign:
        said.append(f"separated by {_SEPARATORS[separator]}")
    columns = _columns(sample, separator, encoding)
    schema = schema_of(kind).columns()

    def values(*types: str) -> list[str]:
        names = [name for name in columns_of(kind, "labelled") if type(schema[name]).__name__ in types]
        return [text for name in names for text in columns.get(mapping.column(kind, name), ())]

    decimal = _decimal(values("Float64"), form)
    if decimal != form.decimal:
        said.append(f"written with decimal {'commas' if decimal == ',' else 'points'}")
    dates, ambiguous = _date_format(values("Date", "Datetime"), form)
    if dates != form.date_format:
        either = f" (or {ambiguous}: both read every date, so that only you know which it is)" if ambiguous else ""
        said.append(f"written with dates as {dates or 'YYYY-MM-DD'}{either}")
    new = CsvForm(separator=separator, decimal=decimal, date_format=dates, encoding=encoding)
    return Found(kind, path.name, new, tuple(said))


def _encoding(path: Path, sample: bytes, form: CsvForm) -> str:
    """Return the encoding of a file, the present one if the file is in it."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return form.encoding if form.encoding.replace("_", "-").casefold().startswith("utf-16") else "utf-16"
    if sample.startswith(codecs.BOM_UTF8) or _decodes(path, form.encoding):
        return form.encoding
    return next((name for name in ("utf-8", "cp1252") if _decodes(path, name)), "latin-1")


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while part := file.read(_SAMPLE):
                decoder.decode(part)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _separator(sample: bytes, encoding: str, form: CsvForm, wanted: set[str]) -> str:
    """Return the separator by which most of the wanted columns are there; of equals the one that makes most columns."""

    def worth(separator: str) -> tuple[int, int, bool]:
        header = next(_records(sample, separator, encoding), [])
        return len(wanted & set(header)), len(header), separator == form.sign

    best = max({form.sign: None, **_SEPARATORS}, key=worth)
    # A header of another bank's names says nothing, but for one that is a single column as it is read now.
    known, width, _ = worth(form.sign)
    return best if worth(best)[0] > known or width == 1 else form.sign


def _columns(sample: bytes, separator: str, encoding: str) -> dict[str, list[str]]:
    """Return the texts of each column in the sample's records, without empty ones and those of other lengths."""
    records = _records(sample, separator, encoding)
    header = next(records, [])
    rows = [row for row in itertools.islice(records, _MOST_RECORDS) if len(row) == len(header)]
    return {name: [row[at].strip() for row in rows if row[at].strip()] for at, name in enumerate(header)}


def _records(sample: bytes, separator: str, encoding: str) -> Iterator[list[str]]:
    """Yield the sample's records up to the first fault; the last one may be cut."""
    try:
        for _, cells in read_records(io.BytesIO(sample), separator=separator, encoding=encoding):
            yield cells
    except (BadCsv, csv.Error):
        return


def _decimal(texts: list[str], form: CsvForm) -> str:
    """Return the decimal mark of most numbers, the present one where neither mark is in most of them."""
    commas = sum("," in text and bool(_COMMA.search(text)) for text in texts)
    points = sum(bool(_POINT.match(text)) for text in texts)
    if form.decimal == "." and commas > points:
        return ","
    return "." if form.decimal == "," and points > commas else form.decimal


def _date_format(texts: list[str], form: CsvForm) -> tuple[str, str]:
    """Return the format that most dates have, and another that reads them as well, empty where there is none.

    The present format is kept where most dates can be read by it.
    """

    def fits(name: str) -> int:
        pattern = re.compile(date_pattern(name) + r"(?![0-9])") if name else _ISO
        found = [pattern.match(text) for text in texts]
        return sum(1 for one in found if one and (not name or _possible(one)))

    unread = [text for text in texts if not _ISO.match(text)]
    if not unread or (form.date_format and fits(form.date_format) * 2 > len(unread)):
        return form.date_format, ""
    texts = unread
    counts = {name: fits(name) for name in _FORMATS}
    best = max(counts, key=lambda name: counts[name])  # of equals the first: days before months, two digits
    if counts[best] * 2 <= len(texts):
        return form.date_format, ""
    other = best.replace("D", "?").replace("M", "D").replace("?", "M")
    ambiguous = counts.get(other) == counts[best] and "/" in best
    return best, other if ambiguous else ""


def _possible(found: re.Match[str]) -> bool:
    return 1 <= int(found["M"]) <= 12 and 1 <= int(found["D"]) <= 31


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _setting(found: list[Found], mapping: Mapping) -> str:
    """Return the setting as YAML: at the top where both kinds of table can share it, else a line for each kind."""
    kinds = [kind for kind in KINDS if any(each.kind == kind for each in found)]
    forms = {kind: _merged([each for each in found if each.kind == kind], mapping.form(kind)) for kind in kinds}
    shared = len({(form.separator, form.encoding.startswith("utf-16")) for form in forms.values()}) == 1
    if shared and all(mapping.of(kind).csv is None for kind in KINDS):
        return f"csv: {_yaml(_merged(found, mapping.csv))}"
    return "\n" + "\n".join(f"{kind}: {{csv: {_yaml(form)}}}" for kind, form in forms.items())


def _merged(found: list[Found], present: CsvForm) -> CsvForm:
    """Return the present form with what differs from it in any of the files."""
    merged = {}
    for name in CsvForm.__struct_fields__:
        now = present.sign if name == "separator" else getattr(present, name)
        merged[name] = next((value for each in found if (value := getattr(each.form, name)) != now), now)
    return CsvForm(**merged)


def _yaml(form: CsvForm) -> str:
    usual = msgspec.to_builtins(CsvForm())
    changed = {name: value for name, value in msgspec.to_builtins(form).items() if value != usual[name]}
    return f"{{{', '.join(f'{name}: {_quoted(value)}' for name, value in changed.items())}}}"


def _quoted(value: str) -> str:
    if value == "\t":
        return '"\\t"'
    return value if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9./-]*", value) else f"'{value}'"
