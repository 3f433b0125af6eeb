"""From a bundle's folder and tables' folder to a scoring run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from customer_risk.model.config import load_config
from customer_risk.model.offboarding.criteria import declare
from customer_risk.model.offboarding.record import hash_tables
from customer_risk.model.offboarding.scored import score_cohort
from customer_risk.model.offboarding.scoring_run import check_place, write_run
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.mapping import Mapping, load_mapping

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.tables.mapping import CohortName


def score_tables(
    bundle: Path,
    tables: Path,
    out: Path,
    *,
    made_at: datetime,
    cohort: CohortName = "unlabelled",
    config: Path | None = None,
    mapping: Path | None = None,
    force: bool = False,
    step: Callable[[str], object] = lambda _: None,
    tick: Callable[[int, int], object] = lambda _done, _all: None,
) -> Run:
    """Score every customer of a cohort and write the run's folder, whole or not at all; return its record.

    `step` hears what is being done, `tick` (done, all) of the listed customers. Raises ConfigError where `out` may
    not be written or the configuration says something impossible, BundleError, TableError, FeatureError.
    """
    check_place(out, force=force)
    settings = load_config(config)
    criteria = declare(settings.corroboration)
    named = load_mapping(mapping) if mapping else Mapping()
    step("loading the bundle")
    loaded = load_bundle(bundle)
    step("reading the tables")
    hashes = hash_tables(tables, cohort, named)
    people = load_cohort(tables, cohort, mapping=named, config=settings)
    if people.rates is not None:
        hashes |= {Path(people.rates.where).name: people.rates.sha256}
    scored = score_cohort(loaded, people, criteria, threads=settings.threads, step=step)
    step("writing the lists")
    return write_run(
        out,
        scored,
        tables=hashes,
        cohort=cohort,
        made_at=made_at,
        sign_off=settings.sign_off,
        force=force,
        tick=tick,
    )
