"""Checks the tables of a folder against every rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from customer_risk.model.config import load_config
from customer_risk.model.tables.cleaning import clean
from customer_risk.model.tables.dialect import advising
from customer_risk.model.tables.examination import FAILING_ROWS, examine, refuse_labels
from customer_risk.model.tables.mapping import as_mapping
from customer_risk.model.tables.reading import cohorts_there, read_cohort
from customer_risk.model.tables.traps import TRAPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from customer_risk.model.config import ConfigSource
    from customer_risk.model.tables.examination import Examination
    from customer_risk.model.tables.mapping import MappingSource
    from customer_risk.model.tables.reading import CohortTables

RULES: Final = pl.Schema(
    {
        "table": pl.String,
        "rows": pl.Int64,
        "layer": pl.String,
        "rule": pl.String,
        "should_be": pl.String,
        "failing": pl.Int64,
        "share": pl.Float64,
    }
)
COUNTS: Final = pl.Schema({"cohort": pl.String, "name": pl.String, "count": pl.Int64, "meaning": pl.String})


@dataclass(frozen=True, slots=True, eq=False)
class CheckResult:
    """The result of checking the tables of a folder.

    passed   whether no rule fails in more than the share `allowed` of its table's rows
    rules    RULES: a row for each table and rule; `failing` is null for a rule that could not be checked
    failing  a row for each failing row and rule, with table, row, rule, layer, value and reason
    counts   COUNTS: how many customers, rows and irregularities of each kind the tables have
    """

    allowed: float
    rules: pl.DataFrame
    failing: pl.DataFrame
    counts: pl.DataFrame

    @property
    def passed(self) -> bool:
        """Whether no rule fails in too many rows."""
        return self.rules.filter(pl.col("share") > self.allowed).is_empty()

    def __repr__(self) -> str:
        broken = self.rules.filter(pl.col("failing") > 0).height
        return (
            f"CheckResult(passed={self.passed}, {self.rules.height - broken} rules hold, {broken} fail, "
            f"{self.failing.height:,} failing rows)"
        )


def check(
    tables: str | Path,
    *,
    mapping: MappingSource = None,
    config: ConfigSource = None,
    step: Callable[[str], object] = lambda _: None,
    examined: Callable[[CohortTables, Examination], object] = lambda _tables, _examination: None,
) -> CheckResult:
    """Check the tables of each cohort in a folder against every rule, and count their irregularities.

    `mapping` and `config` are files, nested dicts or loaded objects. `step` is called with the name of each step,
    `examined` with a cohort's tables and failing rows before unusable tables are refused. Raises TableError for tables
    that can't be read or used, and ConfigError.
    """
    limits, named = load_config(config).checks, as_mapping(mapping)
    folder = Path(tables)
    rules, counts, failing = [RULES.to_frame()], [COUNTS.to_frame()], [FAILING_ROWS.to_frame()]
    for cohort in cohorts_there(folder, named):
        step(f"{cohort}: reading")
        read = read_cohort(folder, cohort, named)
        step(f"{cohort}: checking")
        examination = examine(read, limits)
        rules.append(rules_of(examination))
        failing.append(examination.failing)
        examined(read, examination)
        step(f"{cohort}: cleaning")
        with advising(folder, named):
            refuse_labels(read, examination)
            found = clean(read, examination).counts
        rows = [(cohort, name, count, TRAPS[name]) for name, count in found.items()]
        counts.append(pl.DataFrame(rows, COUNTS, orient="row"))
    return CheckResult(limits.max_failing_share, pl.concat(rules), pl.concat(failing), pl.concat(counts))


def rules_of(examination: Examination) -> pl.DataFrame:
    """Return RULES: a row for each rule and table of a cohort."""
    rows = [
        (
            outcome.where,
            outcome.rows,
            outcome.rule.layer,
            outcome.rule.name,
            outcome.rule.sentence,
            outcome.failing,
            None if outcome.failing is None else outcome.share,
        )
        for outcome in examination.outcomes
    ]
    return pl.DataFrame(rows, RULES, orient="row")
