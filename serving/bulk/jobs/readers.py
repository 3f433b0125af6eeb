"""Input of jobs as lines of JSON, each a request: lines of an upload, or rows of CSV and Parquet.

Every reader holds one piece of the file in memory at a time, and refuses a file that exceeds the settings' bounds.
"""

from __future__ import annotations

import csv
import math
import re
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from typing import ClassVar, Final, NamedTuple, Self

import msgspec

from customer_risk.model.csv_records import csv_reader, declares_separator
from customer_risk.model.errors import BadField, CustomerRiskError, InputError
from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.names import quoted, similar_name
from customer_risk.serving.bulk.forms import COMPLETE, FORMS_OF_CSV, ID
from customer_risk.serving.bulk.jobs.types import JobSettings
from customer_risk.serving.bulk.names import describe_ignored, list_quoted
from customer_risk.serving.contract.byte_order_mark import is_utf16, without_mark
from customer_risk.serving.errors import BodyTooLarge
from customer_risk.serving.http.body import MOST_BYTES

PIECE_BYTES: Final = 1024 * 1024
PIECE_ROWS: Final = 500
MOST_COLUMNS: Final = 1000
_MOST_RECORD: Final = 2 * MOST_BYTES + 64 * 1024  # bytes of a CSV record, in which each quote within a cell is doubled
MOST_RESULT: Final = 2 * MOST_BYTES  # bytes of one row's result
_BLANK: Final = b" \t\r\n\v\f\x1a"
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SLICE: Final = 64 * 1024
_BLANKS: Final = " \t\r\n"
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_CHECKED: Final = 20_000  # rows of CSV that are checked in one turn
_REQUEST: Final = "request"
_FLAGS: Final = {"true": True, "false": False}
_FEATURES: Final = dict.fromkeys(NAMES)  # in order, with the lookups of a set
encode: Final = msgspec.json.Encoder().encode


class Cutter:
    """Cuts an upload into pieces, for NDJSON at the ends of lines; counts its rows.

    Raises BodyTooLarge if NDJSON has a line of more bytes than one request may have, or more lines than `most_rows`.
    """

    def __init__(self, *, lines: bool, most_rows: int = JobSettings().most_rows) -> None:
        self._lines = lines
        self._most_rows = most_rows
        self._piece: list[bytes] = []  # of whole lines, or of parts of the upload
        self._size = 0
        self._line: list[bytes] = []  # the parts of an incomplete line
        self._line_size = 0
        self._number = 0  # of complete lines
        self.rows = 0

    @property
    def incomplete(self) -> int:
        """The number of bytes that aren't in a yielded piece yet."""
        return self._size + self._line_size

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add a part of the upload; yield the pieces that are complete."""
        if not self._lines:
            yield from self._cut(data)
            return
        start = 0
        while end := data.find(b"\n", start) + 1:
            yield from self._add(data[start:end])
            start = end
        if start < len(data):
            self._keep_open(data[start:])

    def end(self) -> Iterator[bytes]:
        """Yield the last piece, if there is one."""
        if self._line:
            yield from self._add(b"")
        if self._piece:
            yield self._taken()

    def _cut(self, data: bytes) -> Iterator[bytes]:
        start = 0
        while len(data) - start >= (wanted := PIECE_BYTES - self._size):
            self._piece.append(data[start : start + wanted])
            start += wanted
            yield self._taken()
        if start < len(data):
            self._piece.append(data[start:])
            self._size += len(data) - start

    def _add(self, last: bytes) -> Iterator[bytes]:
        """Add a line whose last part is `last`; yield a piece if it is complete."""
        self._keep_open(last)
        line = b"".join(self._line)
        self._line, self._line_size = [], 0
        self._number += 1
        if self._number > self._most_rows:
            raise BodyTooLarge(
                f"The file has more than {self._most_rows:,} lines (jobs.most_rows).", remedy="Split it."
            )
        if self._piece and (self._size + len(line) > PIECE_BYTES or len(self._piece) >= PIECE_ROWS):
            yield self._taken()
        self._piece.append(line)
        self._size += len(line)
        self.rows += bool(_content(line))

    def _keep_open(self, part: bytes) -> None:
        self._line.append(part)
        self._line_size += len(part)
        if self._line_size > MOST_BYTES:
            raise too_large(f"Line {self._number + 1:,}")

    def _taken(self) -> bytes:
        piece = b"".join(self._piece)
        self._piece, self._size = [], 0
        return piece


def lines_of(piece: bytes) -> list[bytes]:
    """Return the lines of a piece of NDJSON, without blank lines, byte order marks and Ctrl-Z (end of a DOS file)."""
    return [content for line in piece.split(b"\n") if (content := _content(line))]


def _content(line: bytes) -> bytes:
    return without_mark(line.strip(_BLANK)).strip(_BLANK)


class Interrupted(CustomerRiskError):
    """Reading was interrupted from another thread."""

    def __init__(self) -> None:
        super().__init__("Reading was interrupted.", remedy="Continue later.")


class Lines(NamedTuple):
    """Requests read from a file, as lines of JSON, and the position after them.

    `rows` is the number of rows in the file, None if unknown. `ignored` are columns that aren't read. If `lines` is
    empty, the file is still being checked.
    """

    lines: list[bytes]
    at: int
    rows: int | None
    ignored: tuple[str, ...] = ()


class FileReader:
    """Reads a file piece by piece, from the position `at` on.

    `read` raises InputError if the file isn't in its declared format, BodyTooLarge if it exceeds the settings'
    bounds, and Interrupted after a call of `interrupt` from another thread.

    costly    whether an open reader takes so much memory that only a few may be open
    ignored   columns that aren't read, as a job shows them; known with the first row

    Columns with the names `known` are features.
    """

    costly: ClassVar[bool] = False

    def __init__(
        self,
        parts: Iterable[bytes],
        settings: JobSettings,
        *,
        at: int = 0,
        rows: int | None = None,
        known: Collection[str] = _FEATURES,
    ) -> None:
        self.at = at
        self.ignored: tuple[str, ...] = ()
        self._known = known
        self._settings = settings
        self._rows = rows
        self._interrupted = threading.Event()
        self._lines = self._read(parts)

    def read(self) -> Lines | None:
        """Return the next piece, None at the end."""
        read = next(self._lines, None)
        if read is None:
            return None
        self.at = read.at
        return read._replace(ignored=self.ignored)

    def interrupt(self) -> None:
        """Interrupt `read`, which can't be called again afterwards."""
        self._interrupted.set()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _read(self, parts: Iterable[bytes]) -> Generator[Lines]:
        raise NotImplementedError

    def _check(self) -> None:
        if self._interrupted.is_set():
            raise Interrupted

    def _few_enough(self, rows: int) -> None:
        if rows > self._settings.most_rows:
            raise BodyTooLarge(
                f"The file has {rows:,} rows or more; jobs.most_rows is {self._settings.most_rows:,}.",
                remedy="Split it.",
            )


class CsvReader(FileReader):
    """Reads CSV with a header: customer_id and a column for each feature, or a column `request`. Positions are bytes.

    An empty cell is a missing value; a number is written as in JSON, with or without blanks around it. Other columns
    are ignored. Blank lines are skipped, and so are Excel's first line `sep=,` and Ctrl-Z, the end of a DOS file. The
    whole file is checked before its first row is returned. It is refused if it has no such header, a row has more or
    fewer cells than the header, quotes don't match or the text isn't UTF-8.
    """

    def __init__(
        self,
        parts: Callable[[], Iterable[bytes]],
        settings: JobSettings,
        *,
        at: int = 0,
        rows: int | None = None,
        known: Collection[str] = _FEATURES,
    ) -> None:
        self._parts = parts
        super().__init__((), settings, at=at, rows=rows, known=known)

    def _read(self, parts: Iterable[bytes]) -> Generator[Lines]:  # noqa: ARG002  it reads them twice
        text = _Text(self._parts())
        try:
            if self._rows is None:
                checked = 0
                for checked, _ in enumerate(self._cells(text, 0), 1):
                    self._few_enough(checked)
                    if checked % _CHECKED == 0:
                        yield Lines([], 0, None)
                self._rows = checked
                text = _Text(self._parts())
            for lines in by_pieces(_csv_line(row, self._known) for row in self._cells(text, self.at)):
                yield Lines(lines, text.at, self._rows)
        except (UnicodeDecodeError, csv.Error) as error:
            if "field limit" in str(error):  # `csv` has only one error class
                raise too_large(f"A cell at line {text.number:,}") from error
            _require_commas(text.first)
            raise unusable(f"line {text.number} isn't CSV in UTF-8: {error}") from error

    def _cells(self, text: _Text, at: int) -> Iterator[dict[str, str]]:
        rows = csv_reader(text)
        names = next((row for row in rows if not _is_blank(row)), [])
        self._check_header(names, text.first)
        text.skip(at)
        for row in rows:
            self._check()
            text.record = 0
            if _is_blank(row):
                continue
            if len(row) != len(names):  # the columns of its cells can't be known
                raise unusable(f"line {text.number} has {len(row):,} cells; the header has {len(names):,}")
            yield dict(zip(names, row, strict=True))

    def _check_header(self, names: list[str], line: str) -> None:
        if len(names) > MOST_COLUMNS:
            raise unusable(f"has {len(names):,} columns; expected at most {MOST_COLUMNS:,}")
        if _REQUEST not in names and ID not in names:
            _require_commas(line)
            near = next(((name, meant) for name in names if (meant := similar_name(name, (ID, _REQUEST)))), None)
            if near is not None:
                raise unusable(f"expected a header with {ID}, or with request; rename {quoted(near[0])} to {near[1]}")
            raise unusable(f"expected a header with {ID}, or with request; got {list_quoted(names)}")
        features = set(self._known) & set(names)
        if _REQUEST not in names and not features:
            found = ", ".join(describe_ignored(names, {ID, *self._known}))
            raise unusable(f"has no column of a feature; expected {FORMS_OF_CSV}; got {found}")
        used = {_REQUEST} if _REQUEST in names else {ID, COMPLETE, *features}
        if twice := sorted(name for name in used if names.count(name) > 1):
            raise unusable(f"has two columns {quoted(twice[0])}")
        known = {ID, _REQUEST, COMPLETE, *self._known}
        self.ignored = describe_ignored(dict.fromkeys(name for name in names if name not in used), known - used)


def _is_blank(row: list[str]) -> bool:
    return not row or (len(row) == 1 and not row[0].strip(" \t\x1a"))


def _require_commas(header: str) -> None:
    """Raise InputError if a header is separated by another character than commas."""
    for separator, name in _SEPARATORS.items():
        if {ID, _REQUEST} & {cell.strip(' "\t\r\n') for cell in header.split(separator)} and separator in header:
            raise unusable(f"the file is separated by {name}; write it with commas")


class _Text:
    """The lines of an upload as text, for `csv`; `number` counts them, and `at` the bytes read.

    `first` is the first line that isn't empty. `record` counts the bytes of the current record; its reader sets it to 0
    at each record's end. Raises BodyTooLarge if a record is too large.
    """

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._lines = self._split(parts)
        self.at = self.number = self.record = 0
        self.first = ""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        first = not self.at
        self._count(line)  # before it is decoded: a message names the line that isn't UTF-8
        if first and is_utf16(line):
            raise unusable("the file is in UTF-16; write it in UTF-8")
        text = line.decode("utf-8-sig" if first else "utf-8")
        if first and declares_separator(text):
            return "\n"
        if not self.first:
            self.first = text.strip("\r\n")
        return text.rstrip("\x1a") if text.endswith("\x1a") else text  # Ctrl-Z ends a file: this is its last line

    def skip(self, at: int) -> None:
        """Skip to a position, which is the end of a record; do nothing if it was passed already."""
        while self.at < at:
            self._count(next(self._lines))
            self.record = 0
        self.record = 0

    def _count(self, line: bytes) -> None:
        self.number += 1
        self.at += len(line)
        self.record += len(line)
        if self.record > _MOST_RECORD:
            raise too_large(f"The row at line {self.number:,}")

    def _split(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        left: list[bytes] = []
        size = 0
        for part in parts:
            for start in range(0, len(part), _SLICE):
                for line in part[start : start + _SLICE].splitlines(keepends=True):
                    left.append(line)
                    size += len(line)
                    if size > _MOST_RECORD:
                        raise too_large(f"Line {self.number + 1:,}")
                    if line.endswith((b"\n", b"\r")):
                        yield b"".join(left)
                        left, size = [], 0
        if left:
            yield b"".join(left)


def finite(value: float | None) -> float | str | None:
    """Return a finite number as it is, None for NaN, and an infinite number as a text, which the parser refuses."""
    if value is None or math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def read_too_much(settings: JobSettings) -> BodyTooLarge:
    """Return the error for a file whose requests have more than `most_read_bytes`."""
    return BodyTooLarge(
        f"The requests made from the file have more than {settings.most_read_bytes:,} bytes (jobs.most_read_bytes).",
        remedy="Split it.",
    )


def by_pieces(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield lines in pieces of PIECE_ROWS or PIECE_BYTES; raises BodyTooLarge for a line longer than MOST_BYTES."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if len(line) > MOST_BYTES:
            raise too_large("A row")
        piece.append(line)
        size += len(line)
        if len(piece) == PIECE_ROWS or size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def too_large(what: str) -> BodyTooLarge:
    """Return the error for a row or a cell with more bytes than one request may have."""
    return BodyTooLarge(
        f"{what} has more than {MOST_BYTES:,} bytes, the most that one request may have.",
        remedy="Send fewer transactions of this customer.",
    )


def unusable(detail: str) -> InputError:
    """Return the error for a file that is not in its declared format."""
    return InputError((BadField("", detail),))


def _csv_line(row: Mapping[str, str], known: Collection[str]) -> bytes:
    request = row.get(_REQUEST)
    if request is not None:
        return request.replace("\r", " ").replace("\n", " ").encode()
    features = {name: _number(cell) for name, cell in row.items() if name in known}
    complete = row.get(COMPLETE)
    return encode(
        {ID: row.get(ID) or None, "features": features}
        | ({COMPLETE: _FLAGS.get(complete.strip().lower(), complete)} if complete else {})
    )


def _number(cell: str) -> float | str | None:
    """Return a cell's number, None for an empty cell.

    A text that isn't a finite number in JSON stays a text, which the request's parser refuses with the field's name.
    """
    text = cell.strip(_BLANKS)
    if not text:
        return None
    if _NUMBER.fullmatch(text) is None:
        return cell
    number = float(text)
    return number if math.isfinite(number) else cell
