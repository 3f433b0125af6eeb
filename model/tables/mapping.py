"""How another bank names what this project needs: files, columns and values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import yaml

from customer_risk.model.errors import ConfigError
from customer_risk.model.escaping import MOST_SAID, one_line, shortened
from customer_risk.model.files import parse_yaml, read_text
from customer_risk.model.tables.csv_form import CsvForm
from customer_risk.model.tables.rates import Rates, RatesFile, read_rates
from customer_risk.model.tables.schema import BESIDE, VOCABULARIES, Event, LabelledProfile

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dataframely as dy

    from customer_risk.model.tables.checks import Kind

CohortName = Literal["labelled", "unlabelled"]
COHORTS: Final[tuple[CohortName, ...]] = ("labelled", "unlabelled")
KINDS: Final[tuple[Kind, ...]] = ("users", "transactions")

# What the tables call columns that this project calls otherwise.
_USUAL: Final = {"customer_id": "user_id", "label": "user_current_state"}
# Without these there is nothing to learn from or to score; they may be constant but not absent.
_NEEDED: Final = {
    "users": frozenset({"customer_id", "label"}),
    "transactions": frozenset({"id", "customer_id", "state", "type", "direction", "amount", "currency", "created_at"}),
}
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_NEVER_CONSTANT: Final = frozenset(
    {"id", "customer_id", "label", "amount", "created_at", "completed_at", "date_of_birth"}
)


class TableMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one kind of table is written; whatever isn't named is written as this project writes it.

    files      cohort: the file's name without its suffix
    columns    canonical column: the file's column
    values     canonical column: {canonical value: the file's value, or a list of them}
    absent     canonical columns that the bank doesn't have, in one cohort or in both; they are null
    constants  canonical column: its value in every row, where the bank writes no such column
    csv        how this kind's CSV files are written, in place of the mapping's own `csv`
    """

    files: dict[str, str] = {}
    columns: dict[str, str] = {}
    values: dict[str, dict[str, str | list[str]]] = {}
    absent: tuple[str, ...] = ()
    constants: dict[str, str] = {}
    csv: CsvForm | None = None


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a bank's users and transactions are written; see TableMapping, CsvForm and docs/guide/tables.md.

    csv    how CSV files are written
    rates  the file of the rates that convert amounts of other currencies, if any (model.tables.rates)
    """

    csv: CsvForm = CsvForm()
    users: TableMapping = TableMapping()
    transactions: TableMapping = TableMapping()
    rates: RatesFile | None = None

    @classmethod
    def from_dict(cls, content: object, *, where: str = "mapping") -> Mapping:
        """Make a mapping of nested dicts; `where` names their source in messages. Raises ConfigError."""
        try:
            mapping = msgspec.convert(content, cls, strict=False)  # all of a mapping's scalars are text
        except msgspec.ValidationError as error:
            remedy = "docs/guide/tables.md shows every field of a mapping."
            raise ConfigError(f"{where}: {shortened(error, MOST_SAID)}.", remedy=remedy) from error
        for field, problem, remedy in mapping.csv.problems():
            raise ConfigError(f"{where}: csv.{field}: {shortened(problem, MOST_SAID)}.", remedy=remedy)
        for kind in KINDS:
            for field, problem, remedy in _problems(mapping.of(kind), kind, rated=mapping.rates is not None):
                said = shortened(f"{kind}.{field}: {problem}", MOST_SAID)
                raise ConfigError(f"{where}: {said}.", remedy=remedy)
        return mapping

    def of(self, kind: Kind) -> TableMapping:
        """Return the mapping of one kind of table."""
        return self.users if kind == "users" else self.transactions

    def form(self, kind: Kind) -> CsvForm:
        """Return how the CSV files of one kind of table are written."""
        return self.of(kind).csv or self.csv

    def file(self, kind: Kind, cohort: CohortName) -> str:
        """Return the name of a table's file, without its suffix."""
        return self.of(kind).files.get(cohort, f"{kind}_{cohort}")

    def column(self, kind: Kind, column: str) -> str:
        """Return the file's column that holds a canonical one."""
        return self.of(kind).columns.get(column, _USUAL.get(column, column))

    def exchange_rates(self) -> Rates | None:
        """Read the rates; None if the mapping names none. Raises ConfigError as `read_rates` does."""
        return None if self.rates is None else read_rates(Path(self.rates.file), self.rates.most_days)

    def replacements(self, kind: Kind, column: str) -> dict[str, str]:
        """Return what to write in place of the file's values of a column."""
        return {theirs: ours for ours, theirs in _pairs(self.of(kind), column)}


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file. Raises ConfigError naming the field that is unknown, doubled or impossible."""
    try:
        # All scalars stay text: YAML's own reading would make a bare NO a boolean and 010 a number.
        text = read_text(path)
        content = parse_yaml(text, yaml.BaseLoader) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{path} can't be read as YAML: {one_line(error)}.", remedy="Name a readable mapping file."
        ) from error
    mapping = Mapping.from_dict(content, where=str(path))
    if mapping.rates is None:
        return mapping
    rates = msgspec.structs.replace(mapping.rates, file=str(path.parent / mapping.rates.file))
    return msgspec.structs.replace(mapping, rates=rates)


def schema_of(kind: Kind) -> type[dy.Schema]:
    """Return the class of the rows of one kind of table, the label included."""
    return LabelledProfile if kind == "users" else Event


def columns_of(kind: Kind, cohort: CohortName) -> tuple[str, ...]:
    """Return the names of the canonical columns that a table may bring."""
    lacks = BESIDE if cohort == "labelled" else BESIDE | {"label"}
    return tuple(name for name in schema_of(kind).columns() if name not in lacks)


def _problems(table: TableMapping, kind: Kind, *, rated: bool) -> Iterator[tuple[str, str, str]]:
    """Return the field, what is wrong with it and what to do, for each setting that contradicts another."""
    for cohort in table.files:
        if cohort not in COHORTS:
            yield f"files.{cohort}", "there is no such cohort", f"Name one of {', '.join(COHORTS)}."
    known = columns_of(kind, "labelled")
    for field in ("columns", "values", "absent", "constants"):
        for column in getattr(table, field):
            if column not in known:
                yield f"{field}.{column}", "there is no such column", f"Name one of {', '.join(known)}."
    for field, problem, remedy in table.csv.problems() if table.csv else ():
        yield f"csv.{field}", problem, remedy
    yield from _impossible_columns(table, kind)
    yield from _impossible_constants(table, rated=rated)
    yield from _impossible_values(table, rated=rated)


def _impossible_columns(table: TableMapping, kind: Kind) -> Iterator[tuple[str, str, str]]:
    for column in table.absent:
        if column in _NEEDED[kind]:
            yield (
                f"absent.{column}",
                "this column can't be absent",
                "Map it, or make it a constant where it has one value.",
            )
        if column in table.columns:
            yield f"absent.{column}", "the column is mapped as well", "Say one of the two."
    meaning: dict[str, str] = {}
    unmapped = [name for name in columns_of(kind, "labelled") if name not in (*table.absent, *table.constants)]
    for column in unmapped:
        source = table.columns.get(column, _USUAL.get(column, column))
        if source in meaning:
            told = column if column in table.columns else meaning[source]
            problem = f"the file's {source!r} would be both {meaning[source]} and {column}"
            yield (
                f"columns.{told}",
                problem,
                "Map each of the file's columns once; name what the bank lacks under absent.",
            )
        meaning[source] = column


def _impossible_constants(table: TableMapping, *, rated: bool) -> Iterator[tuple[str, str, str]]:
    for column, value in table.constants.items():
        if column in _NEVER_CONSTANT:
            yield f"constants.{column}", "this column can't be the same in every row", "Map it to the file's column."
        if column in table.columns or column in table.absent:
            yield f"constants.{column}", "the column is mapped or absent as well", "Say one of the two."
        if column in VOCABULARIES and not _is_known(column, value, rated=rated):
            yield f"constants.{column}", f"{value!r} is no value of this project's", _choices(column)


def _impossible_values(table: TableMapping, *, rated: bool) -> Iterator[tuple[str, str, str]]:
    for column in table.values:
        if column not in VOCABULARIES:
            yield f"values.{column}", "this column has no known set of values", "Leave its values as they are."
            continue
        meaning: dict[str, str] = {}
        for ours, theirs in _pairs(table, column):
            if not _is_known(column, ours, rated=rated):
                yield f"values.{column}.{ours}", "this project has no such value", _choices(column)
            if theirs in meaning:
                problem = f"{theirs!r} means {meaning[theirs]} already"
                yield f"values.{column}.{ours}", problem, "Give each of the file's values one meaning."
            meaning[theirs] = ours


def _pairs(table: TableMapping, column: str) -> Iterator[tuple[str, str]]:
    for ours, theirs in table.values.get(column, {}).items():
        for value in theirs if isinstance(theirs, list) else [theirs]:
            yield ours, value


def _is_known(column: str, value: str, *, rated: bool) -> bool:
    """Return whether the project knows a value; with `rated`, it knows every code of a currency."""
    is_code = rated and column == "currency" and _CURRENCY.fullmatch(value) is not None
    return is_code or value in VOCABULARIES[column]


def _choices(column: str) -> str:
    if column == "currency":
        return "Use EUR, or name a table of rates in the mapping (rates) and use any code of three capital letters."
    return f"Use one of {', '.join(VOCABULARIES[column])}."
