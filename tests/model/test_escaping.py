"""Untrusted text in lines and in HTML."""

from __future__ import annotations

import html
import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_risk.model.escaping import escape_html, escape_line, escape_text, escape_value, list_names, shortened

CONTROLS = {
    "newline": "\n",
    "carriage return": "\r",
    "tab": "\t",
    "escape": "\x1b",
    "bell": "\x07",
    "delete": "\x7f",
    "next line": "\x85",
    "control sequence": "\x9b",
    "soft hyphen": "\xad",
    "zero-width space": "\u200b",
    "right-to-left mark": "\u200f",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    **{f"U+{code:04X}": chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    "byte order mark": "\ufeff",
    "surrogate": "\ud800",
    "tag": "\U000e0041",
}


@pytest.mark.parametrize("control", CONTROLS.values(), ids=list(CONTROLS))
def test_a_line_has_no_unprintable_character(control) -> None:
    """Each unprintable character is written as an escape that JSON reads back."""
    line = escape_line(f"a{control}b")
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(f'"{line}"') == f"a{control}b"


@settings(deadline=None)
@given(st.text())
def test_no_text_makes_a_second_line(text) -> None:
    """An escaped text is one line, without control characters, separators of lines or surrogates."""
    line = escape_line(text)
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(one) in {"Cc", "Zl", "Zp", "Cs"} for one in line)


@pytest.mark.parametrize("control", [each for name, each in CONTROLS.items() if each not in "\n\r\t"])
def test_html_shows_unprintable_characters(control) -> None:
    """In HTML, unprintable characters are shown as escapes, and markup as text."""
    text = escape_html(f'<b title="{control}">')
    assert text == f"&lt;b title=&quot;{escape_line(control)}&quot;&gt;"
    assert escape_value(f"<{control}>") == f"<{escape_line(control)}>"


def test_html_keeps_line_ends() -> None:
    """Tabs and line ends of text in HTML aren't escaped, so that examples in `pre` keep their lines."""
    text = "a\r\n\tb"
    assert html.unescape(escape_html(text)) == escape_text(text) == text


def test_markup_and_numbers_are_kept() -> None:
    """A template prints markup and numbers unchanged."""

    class Markup(str):
        __slots__ = ()

        def __html__(self) -> str:
            return self

    markup = Markup("<b>\u202e</b>")
    assert escape_value(markup) is markup
    assert escape_value(3) == 3


def test_printable_text_is_unchanged() -> None:
    """Umlauts, other scripts and symbols aren't escaped."""
    text = "Überweisung \N{EURO SIGN} 銀行 a\\b \N{PILE OF POO}"
    assert escape_line(text) == escape_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("customer_id", "customer_id"),
        ("two\r\nlines\tand  blanks", "two lines and blanks"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 60 + "..."),
        (" " * 1000 + "x", "..."),
        (None, "None"),
    ],
)
def test_text_of_a_file_is_shortened_to_one_line(text, shown) -> None:
    """A message shows at most 60 characters, on one line."""
    assert shortened(text) == shown


def test_names_of_a_file_are_shortened_and_counted() -> None:
    """A message shows at most 20 names, each shortened, and how many more there are."""
    assert list_names(["a", "b" * 100]) == f"a, {'b' * 60}..."
    assert list_names([]) == ""
    assert list_names(str(at) for at in range(1300)).endswith(", 18, 19 and 1,280 more")
