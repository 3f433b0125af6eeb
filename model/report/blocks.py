"""What a page is made of: sections of paragraphs, tables, pictures and notes, free of any markup.

Sections say what to show; the template alone knows HTML. All text is plain and escaped when it is rendered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Cell:
    """One table cell: what to read first, and under it what qualifies it (an interval, a reason, a count)."""

    main: str
    below: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column; numbers stand flush right."""

    title: str
    numeric: bool = True
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A captioned table. `note`, below it, says how to read it; `badge` marks the caption."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    badge: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot, drawn when the page is made (`customer_risk.model.report.plots.canvas.drawn`).

    `alt` says in words what someone who can't see it needs; `name` is unique on the page; `size` is in inches; `draw`
    takes an empty matplotlib figure. `pixels` asks for a PNG, for plots of thousands of marks.
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
    """A list; an item may begin with a few words that stand out."""

    kind: ClassVar[str] = "bullets"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that must not be overlooked."""

    kind: ClassVar[str] = "note"
    title: str
    text: str
    tone: Literal["plain", "warning"] = "plain"


@dataclass(frozen=True, slots=True)
class Tile:
    """One number to remember."""

    label: str
    value: str
    detail: str
    badge: str = ""


@dataclass(frozen=True, slots=True)
class Tiles:
    """The few numbers to remember."""

    kind: ClassVar[str] = "tiles"
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """Numbered steps; each has a lead and its sentences."""

    kind: ClassVar[str] = "steps"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Detail that opens on request, and is printed."""

    kind: ClassVar[str] = "fold"
    title: str
    blocks: tuple[Block, ...]


Block = Table | Picture | Paragraph | Heading | Bullets | Steps | Note | Tiles | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """One numbered part of the page; `anchor` is its address within the page."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def cells(*values: str | Cell) -> tuple[Cell, ...]:
    """Make a row of cells from text."""
    return tuple(value if isinstance(value, Cell) else Cell(value) for value in values)


def words(*titles: str) -> tuple[Column, ...]:
    """Make columns of text."""
    return tuple(Column(title, numeric=False) for title in titles)


def figures(*titles: str) -> tuple[Column, ...]:
    """Make columns of numbers."""
    return tuple(Column(title) for title in titles)
