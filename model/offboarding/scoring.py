"""From a bundle's folder and tables' folder to a scoring run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import UNSET

from customer_risk.model.config import load_config, names_section
from customer_risk.model.offboarding.criteria import refuse_other_rule
from customer_risk.model.offboarding.decided_before import NO_SIGN_OFFS, read_sign_offs
from customer_risk.model.offboarding.record import hash_tables
from customer_risk.model.offboarding.rules import check_rules
from customer_risk.model.offboarding.scored import score_cohort
from customer_risk.model.offboarding.scoring_run import check_place, write_run
from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.model.scoring.freezing import check_corroboration
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.mapping import Mapping, load_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from customer_risk.model.config import Config
    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.scoring.bundle import Bundle
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
    earlier: Sequence[Path] = (),
    force: bool = False,
    step: Callable[[str], object] = lambda _: None,
    tick: Callable[[int, int], object] = lambda _done, _all: None,
) -> Run:
    """Score every customer of a cohort and write the run's folder, whole or not at all; return its record.

    `earlier` are folders of earlier runs that were signed off; their decisions are shown. `step` is called with the
    name of each step, `tick` with the number of listed customers done and in all. Raises ConfigError if `out` may not
    be written, or if the configuration isn't valid or contradicts the bundle; SignOffError if a folder of `earlier` has
    no sign-off or an altered one; BundleError, TableError, FeatureError.
    """
    check_place(out, force=force)
    settings = load_config(config)
    check_corroboration(settings.corroboration)
    check_rules(settings.sign_off)
    named = load_mapping(mapping) if mapping else Mapping()
    step("loading the bundle")
    loaded = load_bundle(bundle)
    check_rule(loaded, config, settings)
    sign_offs = read_sign_offs(earlier) if earlier else NO_SIGN_OFFS
    step("reading the tables")
    hashes = hash_tables(tables, cohort, named)
    people = load_cohort(tables, cohort, mapping=named, config=settings)
    if people.rates is not None:
        hashes |= {Path(people.rates.where).name: people.rates.sha256}
    scored = score_cohort(loaded, people, settings.corroboration, threads=settings.threads, step=step)
    step("writing the lists")
    return write_run(
        out,
        scored,
        tables=hashes,
        cohort=cohort,
        made_at=made_at,
        sign_off=settings.sign_off,
        earlier=sign_offs,
        force=force,
        tick=tick,
    )


def check_rule(bundle: Bundle, config: Path | None, settings: Config) -> None:
    """Raise ConfigError if the action rule in the file `config` differs from the one frozen in the bundle."""
    frozen = bundle.manifest.action_rule
    if frozen is not UNSET and config is not None and names_section(config, "corroboration"):
        refuse_other_rule(frozen, settings.corroboration, str(config))
