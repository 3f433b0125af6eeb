# ruff: noqa: INP001  a script
"""Measure how well the fallback's rules rank the labelled customers; prints a Markdown table.

    .venv/bin/python benchmarks/rules.py [TABLES] [--run RUN]

Features are computed as the server computes them for rules. "Points" ranks by the sum of the points of the rules that
apply, "segment" by the segment that callers see: low, medium or high. RUN is a folder that `customer-risk train` wrote
from the same tables; its contenders are added with their cross-validated probabilities, all folds ranked together. A
run has its customers in another order, so the rows can't be paired, and no differences are shown. The rules aren't
trained on the tables, but their thresholds were chosen with knowledge of these customers.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import polars as pl

from customer_risk.model.evaluation import metrics
from customer_risk.model.evaluation.intervals import interval, make_draws, measure
from customer_risk.model.features.frame import feature_table
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.serving.decisions.fallback.ruleset import RuleSet, load_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from customer_risk.model.evaluation.results import Interval

    Floats = metrics.Floats
    Flags = metrics.Flags

SHARED = os.environ.get("CUSTOMER_RISK_SHARED", Path(__file__).parent.parent.parent / "shared")
DRAWS, CONFIDENCE, SEED = 2000, 0.95, 1
SHOWN = ("average_precision", "roc_auc")
LEVELS = ("low", "medium", "high")


@click.command(help=__doc__)
@click.argument("tables", type=click.Path(path_type=Path, exists=True), default=Path(SHARED, "data", "hometask"))
@click.option("--run", type=click.Path(path_type=Path, exists=True), help="Folder that `customer-risk train` wrote.")
@click.option(
    "--rules", "file", type=click.Path(path_type=Path, exists=True), help="Rules instead of the built-in ones."
)
def main(tables: Path, run: Path | None, file: Path | None) -> None:
    """Rank every customer and print the tables."""
    cohort = load_cohort(tables, "labelled")
    customers, events = pl.DataFrame(cohort.customers), pl.DataFrame(cohort.events)
    suspended = customers["suspended"].to_numpy()
    table = feature_table(customers, events)
    rules = load_rules(file)
    rows = [dict(zip(table.names, values.tolist(), strict=True)) for values in table.values]
    segments = np.array([LEVELS.index(rules.judge(row).segment) for row in rows], np.float64)
    points = np.array([_points(rules, row) for row in rows])
    found = {
        what: (suspended, scores[None])
        for what, scores in (("rules, by points", points), ("rules, by segment", segments))
    }
    click.echo(
        f"| {len(rows)} customers, {int(suspended.sum())} suspended | average precision | ROC-AUC |\n|---|---|---|"
    )
    for what, (labels, scores) in (found | _contenders(run, suspended)).items():
        click.echo(f"| {what} | {' | '.join(map(_text, _intervals(labels, scores)))} |")
    click.echo("\n| segment by rules | customers | suspended |\n|---|---|---|")
    for level, name in enumerate(LEVELS):
        members = segments == level
        click.echo(f"| {name} | {int(members.sum())} | {int(suspended[members].sum())} |")


def _points(rules: RuleSet, row: Mapping[str, float | None]) -> float:
    held = (rule for rule in rules.rules if all(each.holds(row.get(each.feature)) for each in rule.when))
    return sum(rule.points for rule in held)


def _contenders(run: Path | None, suspended: Flags) -> dict[str, tuple[Flags, Floats]]:
    """Return each contender's labels bool[n] and probabilities float64[r, n], one row for each repeat."""
    if run is None:
        return {}
    evaluation = json.loads((run / "evaluation.json").read_bytes())
    labels = np.array(evaluation["labels"], bool)
    if (len(labels), labels.sum()) != (len(suspended), suspended.sum()):
        raise click.UsageError(f"{run} was trained on other tables.")
    return {each["title"]: (labels, np.array(each["probabilities"])) for each in evaluation["contenders"]}


def _intervals(labels: Flags, scores: Floats) -> list[Interval]:
    """Return the intervals of the metrics of scores float64[r, n]."""
    draws = make_draws(len(labels), len(scores), draws=DRAWS, confidence=CONFIDENCE, seed=SEED)
    measured = measure(lambda at, weights: metrics.ranking(labels, scores[at], weights), len(scores), draws)
    return [interval(measured[name], CONFIDENCE) for name in SHOWN]


def _text(found: Interval) -> str:
    return f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"


if __name__ == "__main__":
    main()
