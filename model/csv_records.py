"""Reads CSV record by record, each with its line; all other modules read CSV with this module."""

from __future__ import annotations

import codecs
import csv
import io
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO, Protocol

    class CsvReader(Protocol):
        """The type that `csv.reader` returns: an iterator of records that counts lines."""

        line_num: int

        def __iter__(self) -> Iterator[list[str]]: ...
        def __next__(self) -> list[str]: ...


MOST_CELL: Final = 8 * 1024 * 1024  # characters of one cell; Python's own limit is 131,072
MOST_RECORD: Final = 2 * MOST_CELL  # characters of one record, with its separators, quotes and line ends
_PART: Final = 256 * 1024  # bytes
_END: Final = "\x1a"  # Ctrl-Z, which DOS programs write at the end of a file
_MOST_ENDS: Final = 1024  # DOS programs fill the last block of a file with Ctrl-Z
_BLANK: Final = " \t\x1a\ufeff"  # characters of a line without any text
_DECLARED: Final = re.compile(r'"?sep=(.)"?[\r\n]*\Z')  # the first line with which Excel declares the separator


class BadCsv(Exception):
    """A file that isn't CSV: `line` is the line in the file, `detail` says what is wrong there."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(f"line {line:,} {detail}")
        self.line = line
        self.detail = detail


def csv_reader(lines: Iterable[str], *, separator: str = ",") -> CsvReader:
    """Return a `csv.reader` of lines with their line ends; it refuses misplaced quotes and too long cells."""
    csv.field_size_limit(MOST_CELL)  # for the whole process
    return csv.reader(lines, delimiter=separator, strict=True)


def declares_separator(line: str) -> bool:
    """Whether a file's first line declares the separator, such as `sep=;`."""
    return declared_separator(line) is not None


def declared_separator(line: str) -> str | None:
    """Return the separator that a file's first line declares, `;` for `sep=;`; None if it declares no separator."""
    found = _DECLARED.match(line)
    return found[1] if found else None


def is_encoding(name: str) -> bool:
    """Whether Python knows an encoding of text by this name."""
    try:
        b"text".decode(name)
        codecs.getincrementaldecoder(name)
    except UnicodeError:
        return True
    except (LookupError, ValueError):
        return False
    return True


def read_records(file: BinaryIO, *, separator: str = ",", encoding: str = "utf-8") -> Iterator[tuple[int, list[str]]]:
    """Yield each record, the header included, as the line on which it begins and its cells.

    Lines end with CR, LF or both. A byte order mark, Excel's first line `sep=;`, lines without any text and Ctrl-Z at
    the end of the file are left out. A file with a byte order mark of UTF-8 is read as UTF-8, whatever
    `encoding` says. The size of a record is limited to MOST_RECORD. Raises BadCsv.
    """
    lines = _Lines(file, encoding)
    reader = csv_reader(lines, separator=separator)
    while True:
        began = reader.line_num + 1
        lines.record = 0
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise BadCsv(began, _detail_of(error)) from error
        if cells is None:
            return
        if any(cells) and any(cell.strip(_BLANK) for cell in cells):
            yield began, cells


class _Lines:
    """The lines of a file as text with their ends; `record` counts the characters since the reader set it to 0."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self._read = 0  # lines
        self.record = 0

    def __iter__(self) -> Iterator[str]:
        for text in self._split():
            self._read += 1
            self._count(len(text))
            yield "\n" if self._read == 1 and declares_separator(text) else text

    def _count(self, size: int) -> None:
        self.record += size
        if self.record > MOST_RECORD:
            raise BadCsv(self._read, f"belongs to a record of more than {MOST_RECORD:,} characters")

    def _split(self) -> Iterator[str]:
        left = ""
        for text in self._texts():
            left += text
            if len(left) > MOST_RECORD and "\n" not in left and "\r" not in left:
                raise BadCsv(self._read + 1, f"has more than {MOST_RECORD:,} characters")
            lines = list(io.StringIO(left, newline=""))
            left = ""
            if lines and not lines[-1].endswith("\n"):  # a CR may be followed by LF
                left = lines.pop()
            yield from lines
        if left:
            yield left

    def _texts(self) -> Iterator[str]:
        """Yield the file's text in parts, without a byte order mark at the beginning and Ctrl-Z at the end."""
        part = self._file.read(_PART)
        encoding = "utf-8" if part.startswith(codecs.BOM_UTF8) else self._encoding
        decoder = codecs.getincrementaldecoder(encoding)()
        held, first = "", True
        while True:
            text, wrong = _decoded(decoder, part)
            if first and text:
                text, first = text.removeprefix("\ufeff"), False
            text = held + text
            body = text.rstrip(_END)
            if len(text) - len(body) > _MOST_ENDS:
                body = text
            held = text[len(body) :]
            yield body
            if wrong is not None:
                raise BadCsv(self._read + 1, f"isn't {encoding}: {wrong}")
            if not part:
                return
            part = self._file.read(_PART)


def _decoded(decoder: codecs.IncrementalDecoder, part: bytes) -> tuple[str, str | None]:
    """Return the text of a part (the end of the file if it is empty), and what is wrong after it, if anything."""
    try:
        return decoder.decode(part, final=not part), None
    except UnicodeDecodeError as error:
        bytes_wrong = error.object[error.start : error.end][:4]
        wrong = f"it has the byte{'s' * (len(bytes_wrong) > 1)} {' '.join(f'{byte:02X}' for byte in bytes_wrong)}"
        valid = error.start - (len(error.object) - len(part))  # the object may begin with bytes of the part before
        try:
            return decoder.decode(part[:valid]) if valid > 0 else "", wrong
        except UnicodeError:
            return "", wrong
    except UnicodeError as error:
        return "", str(error)


def _detail_of(error: csv.Error) -> str:
    said = str(error)
    if "field limit" in said:
        return f"has a cell of more than {MOST_CELL:,} characters"
    if "unexpected end of data" in said:
        return "opens a quote that is never closed"
    return f"isn't CSV: {said}"
