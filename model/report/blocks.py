"""The parts of a page without markup: sections of paragraphs, tables, pictures and notes.

Sections make them; only the template has HTML. All text is plain, and is escaped when it is rendered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell: the main text, and a smaller text below (an interval, a reason, a count)."""

    main: str
    below: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column; numbers are aligned right."""

    title: str
    numeric: bool = True
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption. `note` is below the table; `badge` marks the caption."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    badge: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot, drawn when the page is made (`customer_risk.model.report.plots.canvas.drawn`).

    `alt` is the text for readers who can't see the plot; `name` is unique on the page; `size` is in inches; `draw`
    draws on an empty matplotlib figure. With `pixels` it is a PNG, for plots of thousands of marks, else an SVG.
    """

    kind: ClassVar[str] = "picture"
    name: str
    caption: str
    alt: str
    size: tuple[float, float]
    draw: Callable[[Any], None]
    pixels: bool = False
    badge: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list; an item has a bold lead, which may be empty, and its text."""

    kind: ClassVar[str] = "bullets"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A highlighted text with a title."""

    kind: ClassVar[str] = "note"
    title: str
    text: str
    tone: Literal["plain", "warning"] = "plain"


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure."""

    label: str
    value: str
    detail: str
    badge: str = ""


@dataclass(frozen=True, slots=True)
class Tiles:
    """The key figures."""

    kind: ClassVar[str] = "tiles"
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """Numbered steps; each has a bold lead and its text."""

    kind: ClassVar[str] = "steps"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Details that the reader can open."""

    kind: ClassVar[str] = "fold"
    title: str
    blocks: tuple[Block, ...]


Block = Table | Picture | Paragraph | Heading | Bullets | Steps | Note | Tiles | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A numbered section; `anchor` is its address on the page."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def rows_of(rows: Iterable[Sequence[str | Cell]]) -> tuple[tuple[Cell, ...], ...]:
    """Return the rows of a table, with texts as cells."""
    return tuple(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows)


def fold(title: str, *blocks: Block) -> Fold:
    """Return a fold of these blocks."""
    return Fold(title, blocks)


def words(*titles: str) -> tuple[Column, ...]:
    """Return columns of text."""
    return tuple(Column(title, numeric=False) for title in titles)


def figures(*titles: str) -> tuple[Column, ...]:
    """Return columns of numbers."""
    return tuple(Column(title) for title in titles)
