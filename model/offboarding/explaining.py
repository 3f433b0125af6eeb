"""Makes the dossier of one customer from the folder of a bundle and the folder of the tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from customer_risk.model.config import load_config
from customer_risk.model.errors import TableError
from customer_risk.model.escaping import list_names, shortened
from customer_risk.model.offboarding.dossier import Dossier, make_dossiers
from customer_risk.model.offboarding.scored import Scored, score_cohort
from customer_risk.model.offboarding.scoring import check_rule
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.model.scoring.freezing import check_corroboration
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.mapping import Mapping, load_mapping
from customer_risk.model.tables.reading import cohorts_there, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from customer_risk.model.tables.mapping import CohortName

FEWEST_CHARACTERS: Final = 4  # of the beginning of a customer_id
_MOST_NAMES: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """One customer's dossier, and the cohort that it was scored with."""

    dossier: Dossier
    scored: Scored


def explain(
    bundle: Path,
    tables: Path,
    customer: str,
    *,
    cohort: CohortName = "unlabelled",
    config: Path | None = None,
    mapping: Path | None = None,
    step: Callable[[str], object] = lambda _: None,
) -> Explanation:
    """Return the dossier of one customer of a cohort, given the customer_id or its first characters.

    The whole cohort is scored, since the dossier compares the customer with it. `step` is called with the name of each
    step. Raises TableError if no customer or more than one matches, and what `scoring.score_tables` raises.
    """
    settings = load_config(config)
    check_corroboration(settings.corroboration)
    named = load_mapping(mapping) if mapping else Mapping()
    step("loading the bundle")
    loaded = load_bundle(bundle)
    check_rule(loaded, config, settings)
    step("reading the tables")
    people = load_cohort(tables, cohort, mapping=named, config=settings)
    whole = _whole_id(customer, people.customers["customer_id"].to_list())
    if whole is None:
        raise _unknown(customer, tables, cohort, named)
    scored = score_cohort(loaded, people, settings.corroboration, threads=settings.threads, step=step)
    step("writing the explanation")
    return Explanation(make_dossiers(scored, pl.col("customer_id") == whole)[0], scored)


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
    name = shortened(customer)
    for other in cohorts_there(tables, mapping):
        if other != cohort and customer in read_table(tables, "users", other, mapping).frame["customer_id"]:
            return TableError(
                f"Customer {name} is not among the {cohort} customers of {tables}, but among the {other} customers.",
                remedy=f"Explain the customer with --cohort {other}.",
            )
    return TableError(
        f"No customer of {tables} has the id {name}.",
        remedy=f"Give the whole customer_id of the users table, or at least its first {FEWEST_CHARACTERS} characters. "
        "`customer-risk check` lists the rows that are set aside.",
    )
