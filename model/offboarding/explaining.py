"""Makes the dossier of one customer from the folder of a bundle and the folder of the tables."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from customer_risk.model.config import load_config
from customer_risk.model.errors import TableError
from customer_risk.model.escaping import escape_line, list_names, shortened
from customer_risk.model.offboarding.dossier import Dossier, make_dossiers, share_of_effects
from customer_risk.model.offboarding.scored import Scored, score_cohort
from customer_risk.model.offboarding.scoring import bundle_for
from customer_risk.model.scoring.freezing import check_corroboration
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.mapping import as_mapping
from customer_risk.model.tables.reading import cohorts_there, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from customer_risk.model.config import ConfigSource
    from customer_risk.model.offboarding.dossier import Line
    from customer_risk.model.offboarding.profile_facts import Fact
    from customer_risk.model.scoring.bundle import Bundle
    from customer_risk.model.tables.mapping import CohortName, Mapping, MappingSource

FEWEST_CHARACTERS: Final = 4  # of the beginning of a customer_id
_MOST_NAMES: Final = 5
_WIDTH: Final = 100
_INDENT: Final = "  "


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """One customer's dossier, and the cohort that it was scored with; `str` returns it as text of 100 columns."""

    dossier: Dossier
    scored: Scored
    cohort: CohortName

    def __str__(self) -> str:
        return "\n".join(map(escape_line, _lines(self)))

    def __repr__(self) -> str:
        one = self.dossier
        return f"Explanation({one.customer_id}: {one.segment}, probability {one.probability:.3f}, {one.action})"


def explain(
    bundle: str | Path | Bundle,
    tables: str | Path,
    customer: str,
    *,
    cohort: CohortName = "unlabelled",
    config: ConfigSource = None,
    mapping: MappingSource = None,
    step: Callable[[str], object] = lambda _: None,
) -> Explanation:
    """Explain the score and the action of one customer of a cohort, given the customer_id or its first characters.

    The whole cohort is scored, since the dossier compares the customer with it. `config` and `mapping` are files,
    nested dicts or loaded objects. `step` is called with the name of each step. Raises TableError if no customer or
    more than one matches, and what `scoring.score` raises.
    """
    folder = Path(tables)
    settings, named = load_config(config), as_mapping(mapping)
    check_corroboration(settings.corroboration)
    step("loading the bundle")
    loaded = bundle_for(bundle, config, settings)
    step("reading the tables")
    people = load_cohort(folder, cohort, mapping=named, config=settings)
    whole = _whole_id(customer, people.customers["customer_id"].to_list())
    if whole is None:
        raise _unknown(customer, folder, cohort, named)
    scored = score_cohort(loaded, people, settings.corroboration, threads=settings.threads, step=step)
    step("writing the explanation")
    return Explanation(make_dossiers(scored, pl.col("customer_id") == whole)[0], scored, cohort)


def _whole_id(customer: str, ids: Sequence[str]) -> str | None:
    """Return the id that equals `customer`, or the only id that begins with it; None if no id does.

    Raises TableError if several ids begin with it.
    """
    if customer in ids:
        return customer
    if len(customer) < FEWEST_CHARACTERS:
        return None
    found = [one for one in ids if one.startswith(customer)]
    if len(found) > 1:
        raise TableError(
            f"{len(found):,} customers have an id that begins with {shortened(customer)}: "
            f"{list_names(found, _MOST_NAMES)}.",
            remedy="Give more characters of the id, or all of them.",
        )
    return found[0] if found else None


def _unknown(customer: str, tables: Path, cohort: CohortName, mapping: Mapping) -> TableError:
    name = shortened(customer) or "''"
    for other in cohorts_there(tables, mapping):
        if other != cohort and customer in read_table(tables, "users", other, mapping).frame["customer_id"]:
            return TableError(
                f"Customer {name} is not among the {cohort} customers of {tables}, but among the {other} customers.",
                remedy=f"Explain the customer with --cohort {other}.",
            )
    return TableError(
        f"No customer of {tables} has the id {name}.",
        remedy=f"Give the whole customer_id of the users table, or at least its first {FEWEST_CHARACTERS} characters. "
        "`customer-risk check` lists the rows that fail a rule.",
    )


def _lines(made: Explanation) -> list[str]:
    one, criteria, cohort = made.dossier, made.scored.criteria, made.cohort
    found = {pattern.code: pattern.sentence for pattern in one.patterns}
    said = [
        f"Customer {one.customer_id}, {cohort}: segment {one.segment.capitalize()}, probability {one.probability:.3f}"
    ]
    said += _wrapped([one.because, *(f"{cut.tell()}." for cut in one.cut_offs)])
    said += ["Profile", *_facts(one.profile), "History", *_facts(one.history)]
    said += ["What raises the score (share of all effects on it)", *_reasons(one.raises)]
    said += ["What lowers the score", *_reasons(one.lowers)]
    said.append(f"Patterns looked for in the transactions ({len(found)} of {len(criteria.declared)} found)")
    for wording in criteria.declared:
        text = found.get(wording.code)
        said += _wrapped(
            [f"{'FOUND    ' if text else 'not found'}  {wording.code}: {text or wording.describe()}"], hang=11
        )
    said += ["How certain the score is", *_wrapped([*one.doubts, one.certainty.tell()])]
    said += ["The rule", *_wrapped([criteria.describe()])]
    said += [f"Bundle {made.scored.bundle.version[:16]}, compared with {made.scored.table.height:,} {cohort} customers"]
    return said


def _facts(facts: Sequence[Fact]) -> list[str]:
    """Return lines of facts separated by semicolons; no fact is broken across lines."""
    rows = [""]
    for fact in facts:
        text = f"{fact.name}: {fact.value}"
        if rows[-1] and len(rows[-1]) + len(text) + 2 > _WIDTH - len(_INDENT):
            rows.append("")
        rows[-1] += f"; {text}" if rows[-1] else text
    return [f"{_INDENT}{row}" for row in rows]


def _reasons(reasons: Sequence[Line]) -> list[str]:
    if not reasons:
        return [f"{_INDENT}no feature does"]
    return _wrapped([f"{share_of_effects(line.share):>4}  {line.tell()} [{line.code}]" for line in reasons], hang=6)


def _wrapped(paragraphs: Iterable[str], *, hang: int = 0) -> list[str]:
    return [
        line
        for paragraph in paragraphs
        for line in textwrap.wrap(
            paragraph, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT + " " * hang, break_on_hyphens=False
        )
    ]
