"""How a bank writes CSV files (separator, decimals, dates, encoding), and the conversion to this project's form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
import polars as pl

from customer_risk.model.csv_records import is_encoding

if TYPE_CHECKING:
    from collections.abc import Iterator

_DATE_FORMAT: Final = re.compile(r"(DD?|MM?|YYYY)([./-])(DD?|MM?)\2(DD?|MM?|YYYY)")
_ORDERS: Final = ("DMY", "MDY", "YMD")
_DIGITS: Final = {"D": "[0-9]{1,2}", "DD": "[0-9]{2}", "M": "[0-9]{1,2}", "MM": "[0-9]{2}", "YYYY": "[0-9]{4}"}
_TABS: Final = ("\\t", "tab")
_NO_SEPARATOR: Final = frozenset("\"'\r\n\0 .+-:_\x1a\ufeff")
# Numbers with a decimal comma. 1.234 is not matched: its point may be a decimal point or separate thousands.
_BLANKS: Final = " \u00a0\u202f"
_PLAIN: Final = r"^[+-]?([0-9]+(,[0-9]*)?|,[0-9]+)([eE][+-]?[0-9]+)?$"  # the same forms as with a decimal point
_BY_POINTS: Final = r"^[+-]?[0-9]{1,3}(\.[0-9]{3}((\.[0-9]{3})+(,[0-9]+)?|,[0-9]+))$"
_BY_BLANKS: Final = tuple(f"^[+-]?[0-9]{{1,3}}({blank}[0-9]{{3}})+(,[0-9]+)?$" for blank in _BLANKS)
DECIMAL_COMMA: Final = "|".join((_PLAIN, _BY_POINTS, *_BY_BLANKS))


class CsvForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    r"""How CSV files are written.

    separator    one character, such as ; or |; write a tab as "\t" or tab
    decimal      the decimal mark, . or , (with a comma, points or blanks may separate thousands: 1.234,56)
    date_format  the order of D or DD, M or MM, and YYYY with one of . / - between, such as DD.MM.YYYY; dates as
                 YYYY-MM-DD are always read
    encoding     a name that Python knows, such as utf-8, cp1252 or utf-16
    """

    separator: str = ","
    decimal: str = "."
    date_format: str = ""
    encoding: str = "utf-8"

    @property
    def delimiter(self) -> str:
        """The separator's character."""
        return "\t" if self.separator in _TABS else self.separator

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """Yield the field, the problem and the remedy for each invalid setting."""
        if len(self.delimiter) != 1 or self.delimiter.isalnum() or self.delimiter in _NO_SEPARATOR:
            yield "separator", f"{self.separator!r} can't separate fields", "Name one character, such as ; or | or tab."
        if self.decimal not in (".", ","):
            yield "decimal", f"{self.decimal!r} is not a decimal mark", "Use . or ,"
        if self.date_format and not _order(self.date_format):
            remedy = "Use D or DD, M or MM, and YYYY with one of . / - between, such as DD.MM.YYYY or MM/DD/YYYY."
            yield "date_format", f"{self.date_format!r} is not a valid date format", remedy
        if not is_encoding(self.encoding):
            yield "encoding", f"{self.encoding!r} is not a known encoding", "Name one such as utf-8, cp1252 or utf-16."


def in_our_form(texts: pl.Series, wanted: pl.DataType, form: CsvForm) -> pl.Series:
    """Return texts of numbers, dates and times in this project's form.

    A text that isn't in the bank's form becomes null or stays unchanged; in both cases it can't be read as its type.
    """
    if wanted == pl.Float64 and form.decimal == ",":
        return texts.to_frame().select(_numbers(pl.col(texts.name))).to_series()
    if form.date_format and wanted in (pl.Date, pl.Datetime):
        return texts.to_frame().select(_dates(pl.col(texts.name), form.date_format)).to_series()
    return texts


def date_pattern(date_format: str) -> str:
    """Return the regular expression of a date, with the groups D, M and Y."""
    parts = re.split(r"([./-])", date_format)
    return "".join(f"(?P<{part[0]}>{_DIGITS[part]})" if part in _DIGITS else re.escape(part) for part in parts)


def _order(date_format: str) -> str:
    """Return the order of day, month and year; empty if the format isn't valid."""
    found = _DATE_FORMAT.fullmatch(date_format)
    order = "".join(found[group][0] for group in (1, 3, 4)) if found else ""
    return order if order in _ORDERS else ""


def _numbers(text: pl.Expr) -> pl.Expr:
    bare = text.str.strip_chars()
    plain = bare.str.replace_all(rf"[.{_BLANKS}]", "").str.replace(",", ".", literal=True)
    return pl.when(bare.str.contains(DECIMAL_COMMA)).then(plain).otherwise(None)


def _dates(text: pl.Expr, date_format: str) -> pl.Expr:
    """Return the texts with dates as YYYY-MM-DD. A time may lack its seconds, and its hour may have one digit."""
    changed = text.str.replace(rf"^{date_pattern(date_format)}($|[ Tt])", "${Y}-${M}-${D}${4}")
    return (
        changed.str.replace("^([0-9]{4})-([0-9])-", "${1}-0${2}-")
        .str.replace("^([0-9]{4}-[0-9]{2})-([0-9])($|[ Tt])", "${1}-0${2}${3}")
        .str.replace("^([0-9]{4}-[0-9]{2}-[0-9]{2})[ Tt]([0-9]):", "${1}T0${2}:")
        .str.replace("^([0-9]{4}-[0-9]{2}-[0-9]{2}[ Tt][0-9]{2}:[0-9]{2})($| ?UTC$|[Zz]$|[+-][0-9:]+$)", "${1}:00${2}")
    )
