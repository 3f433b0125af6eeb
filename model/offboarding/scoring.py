"""Scores the tables of a folder with a bundle, and writes the scoring run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import UNSET

from customer_risk.model.config import load_config, name_of, names_section
from customer_risk.model.offboarding.criteria import refuse_other_rule
from customer_risk.model.offboarding.decided_before import NO_SIGN_OFFS, read_sign_offs
from customer_risk.model.offboarding.record import hash_tables
from customer_risk.model.offboarding.rules import check_rules
from customer_risk.model.offboarding.scored import score_cohort
from customer_risk.model.offboarding.scoring_run import check_place, write_run
from customer_risk.model.scoring.bundle import Bundle, load_bundle
from customer_risk.model.scoring.freezing import check_corroboration
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.mapping import as_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from customer_risk.model.config import Config, ConfigSource
    from customer_risk.model.offboarding.record import Run
    from customer_risk.model.tables.mapping import CohortName, MappingSource


@dataclass(frozen=True, slots=True, eq=False)
class ScoringResult:
    """The scores of a cohort's customers.

    table  a row for each customer: probability, segment, action, reason codes, patterns; the columns of scores.parquet
    run    the record of the scoring run, if its folder was written
    """

    table: pl.DataFrame
    bundle: Bundle
    run: Run | None

    def __repr__(self) -> str:
        counts = dict(self.table.group_by("segment").len().iter_rows())
        segments = ", ".join(f"{counts.get(name, 0):,} {name}" for name in ("low", "medium", "high"))
        return f"ScoringResult({self.table.height:,} customers: {segments}; bundle {self.bundle.version[:16]})"


def score(
    bundle: str | Path | Bundle,
    tables: str | Path,
    out: str | Path | None = None,
    *,
    cohort: CohortName = "unlabelled",
    config: ConfigSource = None,
    mapping: MappingSource = None,
    earlier: str | Path | Sequence[str | Path] = (),
    force: bool = False,
    made_at: datetime | None = None,
    step: Callable[[str], object] = lambda _: None,
    tick: Callable[[int, int], object] = lambda _done, _all: None,
) -> ScoringResult:
    """Score every customer of a cohort; with `out`, write scores, segments and lists, all files or none.

    `config` and `mapping` are files, nested dicts or loaded objects. `force` replaces an earlier run in `out`.
    `earlier` is a folder of an earlier run that was signed off, or several; the lists show their decisions. `made_at`
    is the run's time, by default now. `step` is called with the name of each step, `tick` with the number of listed
    customers done and their total. Raises ConfigError if `out` can't be written, or if the configuration isn't valid or
    contradicts the bundle; SignOffError if a folder of `earlier` has no sign-off or an altered one; BundleError,
    TableError, FeatureError.
    """
    folder = None if out is None else Path(out)
    if folder is not None:
        check_place(folder, force=force)
    settings, named = load_config(config), as_mapping(mapping)
    check_corroboration(settings.corroboration)
    check_rules(settings.sign_off)
    step("loading the bundle")
    loaded = bundle_for(bundle, config, settings)
    # A string is also a sequence of strings, so type checkers accept a single folder.
    folders = [earlier] if isinstance(earlier, str | Path) else earlier
    sign_offs = read_sign_offs([Path(each) for each in folders]) if folders else NO_SIGN_OFFS
    step("reading the tables")
    hashes = {} if folder is None else hash_tables(Path(tables), cohort, named)
    people = load_cohort(Path(tables), cohort, mapping=named, config=settings)
    if people.rates is not None:
        hashes |= {Path(people.rates.where).name: people.rates.sha256}
    scored = score_cohort(loaded, people, settings.corroboration, threads=settings.threads, step=step)
    if folder is None:
        return ScoringResult(scored.table, loaded, None)
    step("writing the lists")
    run = write_run(
        folder,
        scored,
        tables=hashes,
        cohort=cohort,
        made_at=made_at or datetime.now(UTC).replace(microsecond=0),
        sign_off=settings.sign_off,
        earlier=sign_offs,
        force=force,
        tick=tick,
    )
    return ScoringResult(scored.table, loaded, run)


def bundle_for(bundle: str | Path | Bundle, config: ConfigSource, settings: Config) -> Bundle:
    """Load a bundle. Raises ConfigError if the configuration's action rule differs from the bundle's."""
    loaded = bundle if isinstance(bundle, Bundle) else load_bundle(Path(bundle))
    frozen = loaded.manifest.action_rule
    if frozen is not UNSET and names_section(config, "corroboration"):
        refuse_other_rule(frozen, settings.corroboration, name_of(config))
    return loaded
