"""Detects the form of a folder's CSV files, and proposes the setting of the mapping that reads them."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    """The form detected at the beginning of a file, and its differences from the mapping's form."""

    kind: Kind
    file: str
    form: CsvForm
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sample:
    """The beginning of a file: the mapping's form, the detected encoding and separator, amounts, non-ISO 8601 dates."""

    kind: Kind
    file: str
    form: CsvForm
    encoding: str
    separator: str
    numbers: list[str]
    dates: list[str]


def propose(folder: Path, mapping: Mapping) -> str | None:
    """Return what to add to the mapping so that the folder's CSV files can be read; None if nothing is missing."""
    found = _findings(folder, mapping)
    by_difference: dict[str, tuple[str, ...]] = {}
    for each in found:
        for difference in each.differences:
            by_difference[difference] = (*by_difference.get(difference, ()), each.file)
    if not by_difference:
        return None
    by_files: dict[tuple[str, ...], list[str]] = {}
    for difference, files in by_difference.items():
        by_files.setdefault(files, []).append(difference)
    sentences = (
        f"{_listed(files)} {'is' if len(files) == 1 else 'are'} {_listed(one)}" for files, one in by_files.items()
    )
    return f"{'; '.join(sentences)}. Set in the mapping (--mapping): {_setting(found, mapping)}"


def _advised(error: TableError, folder: Path, mapping: Mapping | None) -> TableError:
    proposal = propose(folder, mapping or Mapping())
    if proposal is None or proposal in error.remedy:
        return error
    certain = isinstance(error, ColumnMismatch) or isinstance(error.__cause__, BadCsv)
    made = type(error)(
        error.problem, details=error.details, remedy=proposal if certain else f"{error.remedy} {proposal}"
    )
    made.__cause__ = error.__cause__
    return made


@contextmanager
def advising(folder: Path, mapping: Mapping | None) -> Iterator[None]:
    """Add to the remedy of a TableError the setting that would read the folder's CSV files, if one is missing."""
    try:
        yield
    except TableError as error:
        made = _advised(error, folder, mapping)
        if made is error:
            raise
        raise made from error.__cause__


def _findings(folder: Path, mapping: Mapping) -> list[Found]:
    samples = []
    for kind, cohort in itertools.product(KINDS, COHORTS):
        with suppress(TableMissing, OSError):
            path = find(folder, mapping.file(kind, cohort))
            if path.suffix == ".csv":
                samples.append(_sample(path, kind, mapping))
    pool = [text for sample in samples for text in sample.dates]
    return [_found(sample, pool) for sample in samples]


def _sample(path: Path, kind: Kind, mapping: Mapping) -> _Sample:
    form = mapping.form(kind)
    with path.open("rb") as file:
        content = file.read(_SAMPLE)
    encoding = _encoding(path, content, form)
    wanted = {mapping.column(kind, column) for column in columns_of(kind, "labelled")}
    separator = _separator(content, encoding, form, wanted)
    columns = _columns(content, separator, encoding)
    schema = schema_of(kind).columns()

    def values(*types: str) -> list[str]:
        names = [name for name in columns_of(kind, "labelled") if type(schema[name]).__name__ in types]
        return [text for name in names for text in columns.get(mapping.column(kind, name), ())]

    dates = [text for text in values("Date", "Datetime") if not _ISO.match(text)]
    return _Sample(kind, path.name, form, encoding, separator, values("Float64"), dates)


def _found(sample: _Sample, pool: list[str]) -> Found:
    form, said = sample.form, []
    if sample.encoding != form.encoding:
        said.append(f"in {sample.encoding} instead of {form.encoding}")
    if sample.separator != form.delimiter:
        said.append(f"separated by {_SEPARATORS[sample.separator]}")
    decimal = _decimal(sample.numbers, form)
    if decimal != form.decimal:
        said.append(f"written with decimal {'commas' if decimal == ',' else 'points'}")
    dates, ambiguous = _date_format(sample.dates, pool, form)
    if dates != form.date_format:
        either = f" (or {ambiguous}: both fit every date; only the bank knows which is right)" if ambiguous else ""
        said.append(f"written with dates as {dates}{either}")
    new = CsvForm(separator=sample.separator, decimal=decimal, date_format=dates, encoding=sample.encoding)
    return Found(sample.kind, sample.file, new, tuple(said))


def _encoding(path: Path, sample: bytes, form: CsvForm) -> str:
    """Return the encoding of a file: the mapping's if it decodes the file, else a detected one."""
    wide = "utf-16" if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else _wide(sample)
    is_set_wide = codecs.lookup(form.encoding).name.startswith("utf-16")
    if wide:
        return form.encoding if is_set_wide else wide
    if sample.startswith(codecs.BOM_UTF8) or (not is_set_wide and _decodes(path, form.encoding)):
        return form.encoding
    return next((name for name in ("utf-8", "cp1252") if _decodes(path, name)), "latin-1")


def _wide(sample: bytes) -> str:
    """Return the name of a UTF-16 without a byte order mark, in which most characters have a zero byte; else empty."""
    big, little = sample[::2].count(0), sample[1::2].count(0)
    if not sample or 4 * max(big, little) < len(sample):  # half of the characters
        return ""
    return "utf-16-be" if big > little else "utf-16-le"


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
    """Return the separator that finds most of the wanted columns; of equal ones, the one that gives most columns."""

    def worth(separator: str) -> tuple[int, int, bool]:
        header = next(_records(sample, separator, encoding), [])
        return len(wanted & set(header)), len(header), separator == form.delimiter

    best = max({form.delimiter: None, **_SEPARATORS}, key=worth)
    # A header without a wanted column proves nothing, unless the mapping's separator finds one column only.
    known, width, _ = worth(form.delimiter)
    return best if worth(best)[0] > known or width == 1 else form.delimiter


def _columns(sample: bytes, separator: str, encoding: str) -> dict[str, list[str]]:
    """Return the non-empty texts of each column, from records with as many fields as the header."""
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
    """Return the decimal mark of most numbers; the mapping's if neither mark is more frequent."""
    commas = sum("," in text and bool(_COMMA.search(text)) for text in texts)
    points = sum(bool(_POINT.match(text)) for text in texts)
    if form.decimal == "." and commas > points:
        return ","
    return "." if form.decimal == "," and points > commas else form.decimal


def _date_format(texts: list[str], pool: list[str], form: CsvForm) -> tuple[str, str]:
    """Return the format that reads most texts, and another format that reads as many (or empty).

    `texts` are the dates and times of one file that aren't in ISO 8601. `pool` are those of all files; they decide if
    two formats read the same number of the file's texts. The mapping's format is kept if it reads most texts.
    """
    if form.date_format and _fitting(texts, form.date_format) * 2 > len(texts):
        return form.date_format, ""
    counts = {name: _fitting(texts, name) for name in _FORMATS}
    best = max(
        counts, key=lambda name: counts[name]
    )  # max takes the first of equal ones: days before months, two digits
    if counts[best] * 2 <= len(texts):
        return form.date_format, ""
    other = best.replace("D", "?").replace("M", "D").replace("?", "M")
    if counts.get(other) != counts[best]:
        return best, ""
    in_pool = {name: _fitting(pool, name) for name in (best, other)}
    if in_pool[best] != in_pool[other]:
        return max(in_pool, key=lambda name: in_pool[name]), ""
    return best, other if "/" in best else ""  # with points, days are written before months


def _fitting(texts: list[str], name: str) -> int:
    """Return how many texts begin with a date in a format."""
    pattern = re.compile(date_pattern(name) + r"(?![0-9])")
    found = (pattern.match(text) for text in texts)
    return sum(1 for one in found if one and 1 <= int(one["M"]) <= 12 and 1 <= int(one["D"]) <= 31)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _setting(found: list[Found], mapping: Mapping) -> str:
    """Return the setting as YAML: at the top if both kinds of table can share it, else for each changed kind."""
    kinds = [kind for kind in KINDS if any(each.kind == kind for each in found)]
    forms = {kind: _merged([each for each in found if each.kind == kind], mapping.form(kind)) for kind in kinds}
    shared = len({(form.separator, form.encoding.startswith("utf-16")) for form in forms.values()}) == 1
    if shared and all(mapping.of(kind).csv is None for kind in KINDS):
        return f"csv: {_yaml(_merged(found, mapping.csv))}"
    changed = {kind: form for kind, form in forms.items() if form != _plain(mapping.form(kind))}
    return " and, on another line, ".join(f"{kind}: {{csv: {_yaml(form)}}}" for kind, form in changed.items())


def _merged(found: list[Found], present: CsvForm) -> CsvForm:
    """Return the mapping's form, changed to the form of the files where they differ."""
    merged = {}
    for name in CsvForm.__struct_fields__:
        now = getattr(_plain(present), name)
        merged[name] = next((value for each in found if (value := getattr(each.form, name)) != now), now)
    return CsvForm(**merged)


def _plain(form: CsvForm) -> CsvForm:
    """Return the form with its separator as a character, so that equal forms compare equal."""
    return msgspec.structs.replace(form, separator=form.delimiter)


def _yaml(form: CsvForm) -> str:
    usual = msgspec.to_builtins(CsvForm())
    changed = {name: value for name, value in msgspec.to_builtins(form).items() if value != usual[name]}
    return f"{{{', '.join(f'{name}: {_quoted(value)}' for name, value in changed.items())}}}"


def _quoted(value: str) -> str:
    if value == "\t":
        return '"\\t"'
    return value if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9./-]*", value) else f"'{value}'"
