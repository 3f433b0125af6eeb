"""The mapping of another bank's files, columns and values to those of this project."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

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

# The columns whose name in the tables differs from the canonical name.
_USUAL: Final = {"customer_id": "user_id", "label": "user_current_state"}
# Columns that training and scoring need. They may be constant, but not absent.
_NEEDED: Final = {
    "users": frozenset({"customer_id", "label"}),
    "transactions": frozenset({"id", "customer_id", "state", "type", "direction", "amount", "currency", "created_at"}),
}
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_NEVER_CONSTANT: Final = frozenset(
    {"id", "customer_id", "label", "amount", "created_at", "completed_at", "date_of_birth"}
)


class TableMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The mapping of one kind of table. Files, columns and values without an entry have this project's names.

    files      {cohort: name of the file, without its suffix}; the cohorts are labelled and unlabelled
    columns    {canonical column: the file's column}
    values     {canonical column: {canonical value: the file's value, or a list of values}}
    absent     a list of canonical columns that the bank doesn't have, in one cohort or both; features that need them
               are left out
    constants  {canonical column: its value in every row}, for a column that the bank's files lack
    csv        the form of this kind's CSV files, instead of the `csv` at the top of the mapping
    """

    files: dict[str, str] = {}
    columns: dict[str, str] = {}
    values: dict[str, dict[str, str | list[str]]] = {}
    absent: tuple[str, ...] = ()
    constants: dict[str, str] = {}
    csv: CsvForm | None = None


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The mapping of a bank's tables (docs/guide/tables.md).

    csv           the form of the CSV files
    users         the users tables
    transactions  the transactions tables
    rates         the file of exchange rates that convert amounts to EUR, if any
    """

    csv: CsvForm = CsvForm()
    users: TableMapping = TableMapping()
    transactions: TableMapping = TableMapping()
    rates: RatesFile | None = None

    @classmethod
    def from_dict(cls, content: object, *, where: str = "mapping") -> Mapping:
        """Make a mapping from nested dicts; `where` names their source in messages. Raises ConfigError."""
        try:
            mapping = msgspec.convert(content, cls, strict=False)  # all scalars are text
        except msgspec.ValidationError as error:
            remedy = "docs/reference/tables.md lists every field of a mapping."
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
        """Return the form of the CSV files of one kind of table."""
        return self.of(kind).csv or self.csv

    def file(self, kind: Kind, cohort: CohortName) -> str:
        """Return the name of a table's file, without its suffix."""
        return self.of(kind).files.get(cohort, f"{kind}_{cohort}")

    def column(self, kind: Kind, column: str) -> str:
        """Return the file's name of a canonical column."""
        return self.of(kind).columns.get(column, _USUAL.get(column, column))

    def exchange_rates(self) -> Rates | None:
        """Return the exchange rates; None if the mapping names no file. Raises ConfigError as `read_rates` does."""
        return None if self.rates is None else read_rates(Path(self.rates.file), self.rates.most_days)

    def replacements(self, kind: Kind, column: str) -> dict[str, str]:
        """Return the canonical value for each of the file's values of a column."""
        return {value: known for known, value in _pairs(self.of(kind), column)}


MappingSource: TypeAlias = Mapping | dict[str, Any] | str | Path | None


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file. Raises ConfigError naming the unknown, repeated or invalid field."""
    try:
        # All scalars stay text. The standard loader would turn NO into a boolean and 010 into a number.
        text = read_text(path)
        content = parse_yaml(text, yaml.BaseLoader) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{path} can't be read as YAML: {one_line(error)}.",
            remedy="Name a valid YAML file; docs/reference/tables.md lists every field of a mapping.",
        ) from error
    mapping = Mapping.from_dict(content, where=str(path))
    if mapping.rates is None:
        return mapping
    rates = msgspec.structs.replace(mapping.rates, file=str(path.parent / mapping.rates.file))
    return msgspec.structs.replace(mapping, rates=rates)


def as_mapping(source: MappingSource) -> Mapping:
    """Return a mapping from its file, from nested dicts, or as it is; None is the mapping of this project's tables."""
    match source:
        case None:
            return Mapping()
        case Mapping():
            return source
        case dict():
            return Mapping.from_dict(source)
    return load_mapping(Path(source))


def schema_of(kind: Kind) -> type[dy.Schema]:
    """Return the class of the rows of one kind of table, the label included."""
    return LabelledProfile if kind == "users" else Event


def columns_of(kind: Kind, cohort: CohortName) -> tuple[str, ...]:
    """Return the canonical columns that a table may have."""
    lacks = BESIDE if cohort == "labelled" else BESIDE | {"label"}
    return tuple(name for name in schema_of(kind).columns() if name not in lacks)


def _problems(table: TableMapping, kind: Kind, *, rated: bool) -> Iterator[tuple[str, str, str]]:
    """Yield the field, the problem and the remedy for each invalid setting."""
    for cohort in table.files:
        if cohort not in COHORTS:
            yield f"files.{cohort}", "the cohort is not known", f"Use {' or '.join(COHORTS)}."
    known = columns_of(kind, "labelled")
    for field in ("columns", "values", "absent", "constants"):
        for column in getattr(table, field):
            if column not in known:
                yield f"{field}.{column}", "the column is not known", f"Use one of {', '.join(known)}."
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
                "the column is required",
                "Map it, or set it under constants if it has one value.",
            )
        if column in table.columns:
            yield f"absent.{column}", "the column is also under columns", "Remove one of the two entries."
    meaning: dict[str, str] = {}
    unmapped = [name for name in columns_of(kind, "labelled") if name not in (*table.absent, *table.constants)]
    for column in unmapped:
        source = table.columns.get(column, _USUAL.get(column, column))
        if source in meaning:
            mapped = column if column in table.columns else meaning[source]
            problem = f"the file's column {source!r} is mapped to both {meaning[source]} and {column}"
            remedy = "Map each column of the file once. List columns that the bank doesn't have under absent."
            yield f"columns.{mapped}", problem, remedy
        meaning[source] = column


def _impossible_constants(table: TableMapping, *, rated: bool) -> Iterator[tuple[str, str, str]]:
    for column, value in table.constants.items():
        if column in _NEVER_CONSTANT:
            yield f"constants.{column}", "the column can't be constant", "Map it to the file's column."
        if column in table.columns or column in table.absent:
            yield f"constants.{column}", "the column is also under columns or absent", "Remove one of the two entries."
        if column in VOCABULARIES and not _is_known(column, value, rated=rated):
            yield f"constants.{column}", f"{value!r} is not a known value", _choices(column)


def _impossible_values(table: TableMapping, *, rated: bool) -> Iterator[tuple[str, str, str]]:
    for column in table.values:
        if column not in VOCABULARIES:
            yield f"values.{column}", "values of this column can't be mapped", "Remove the entry."
            continue
        meaning: dict[str, str] = {}
        for known, value in _pairs(table, column):
            if not _is_known(column, known, rated=rated):
                yield f"values.{column}.{known}", "the value is not known", _choices(column)
            if value in meaning:
                problem = f"{value!r} is already mapped to {meaning[value]}"
                yield f"values.{column}.{known}", problem, "Map each of the file's values once."
            meaning[value] = known


def _pairs(table: TableMapping, column: str) -> Iterator[tuple[str, str]]:
    """Yield each canonical value with each of the file's values that mean it."""
    for known, values in table.values.get(column, {}).items():
        for value in values if isinstance(values, list) else [values]:
            yield known, value


def _is_known(column: str, value: str, *, rated: bool) -> bool:
    """Return whether a value is known; if the mapping names rates (`rated`), every currency code is known."""
    is_code = rated and column == "currency" and _CURRENCY.fullmatch(value) is not None
    return is_code or value in VOCABULARIES[column]


def _choices(column: str) -> str:
    if column == "currency":
        return "Use EUR, or name a table of rates in the mapping (rates) and use any code of three capital letters."
    return f"Use one of {', '.join(VOCABULARIES[column])}."
