# ruff: noqa: INP001  a script
"""Time training with tuning, and with the full evaluation, beside scikit-learn's randomised search; prints Markdown.

    .venv/bin/python -m benchmarks.training [TABLES] [--no-full]

TABLES are by default the shared real tables if they exist, otherwise 300 synthetic customers. The peer is
RandomizedSearchCV over XGBClassifier with the same number of trials, folds and workers, similar trees and the same
features; for the full evaluation it is nested in the same number of outer folds. It doesn't rank features, average
members, calibrate, compare, explain or write anything. Our kernels are compiled before, which happens once for each
installation. Exits with 1 if a goal (60 s, 300 s of wall time) is missed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from customer_risk.model.training.progress import Shown
from rich.console import Console
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold, cross_validate
from xgboost import XGBClassifier

from benchmarks.serving.versions import versions
from customer_risk.model.config import load_config
from customer_risk.model.policy.thresholds import Cuts
from customer_risk.model.tables.synthetic import synthesize
from customer_risk.model.training import pipeline
from customer_risk.model.training.stages import Stages
from customer_risk.model.training.tuning import FIXED, quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from customer_risk.model.config import Config
    from customer_risk.model.training.study import Study

HERE = Path(__file__).resolve().parent.parent
GOALS = {"tuning included": 60.0, "with the full evaluation": 300.0}


@click.command(help=__doc__)
@click.argument("tables", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--full/--no-full", default=True, show_default=True, help="Time the full evaluation too.")
def main(tables: Path | None, full: bool) -> None:
    """Run the benchmark and print its table."""
    config = load_config()
    with tempfile.TemporaryDirectory() as scratch:
        found = tables or _tables(Path(scratch))
        pipeline.prepare(found, config, None, Stages())  # compiles the kernels, once for each installation
        with _clock() as ours:
            study = _train(found, Path(scratch) / "bundle", config)
        with _clock() as peer:
            _search(config).fit(study.table.values, study.suspended)
        click.echo("| what | ours | of which CPU | peer | peer / ours |\n|---|---|---|---|---|")
        missed = _row("tuning included", ours, peer)
        if full:
            with _clock() as ours, Shown(Console(stderr=True)) as watch:
                pipeline.train(found, Path(scratch) / "RUN", config=config, watch=watch)
            with _clock() as peer:
                _nested(study, config)
            missed |= _row("with the full evaluation", ours, peer)
    click.echo(
        f"\n{len(study.suspended)} customers, {len(study.table.names)} candidates, {config.training.trials} trials"
        f"\n{versions('xgboost-cpu', 'scikit-learn', 'optuna')}"
    )
    sys.exit(missed)


def _train(tables: Path, bundle: Path, config: Config) -> Study:
    """Read and check the tables, tune, fit and write the bundle: everything except the evaluation."""
    material = pipeline.prepare(tables, config, None, Stages())
    study = pipeline.make_study(material, config)
    with quiet():
        shipped = pipeline.fit_shipped(study, Stages())
    pipeline.write_bundle(shipped, study, Cuts(0.1, 0.5), {}, "0" * 64, bundle)
    return study


def _search(config: Config) -> RandomizedSearchCV:
    space = {
        "n_estimators": range(7, 11),
        "max_depth": [3, 4],
        "subsample": [0.55, 0.65, 0.75],
        "colsample_bynode": [0.25, 0.375, 0.5],
        "min_child_weight": [0.5, 0.8, 1.2],
        "reg_lambda": [0.7, 1.0, 1.5],
    }
    learner = XGBClassifier(
        tree_method="hist", n_jobs=1, learning_rate=FIXED["eta"], num_parallel_tree=FIXED["num_parallel_tree"]
    )
    return RandomizedSearchCV(
        learner,
        space,
        n_iter=config.training.trials,
        scoring=["average_precision", "roc_auc"],
        refit="average_precision",
        cv=StratifiedKFold(config.training.inner_folds, shuffle=True, random_state=config.seed),
        n_jobs=config.threads,
        random_state=config.seed,
    )


def _nested(study: Study, config: Config) -> None:
    """Evaluate the peer's search as the full evaluation evaluates ours: nested and repeated."""
    for repeat in range(study.repeats):
        outer = StratifiedKFold(study.folds, shuffle=True, random_state=config.seed + repeat)
        cross_validate(_search(config), study.table.values, study.suspended, cv=outer, scoring="average_precision")


@contextmanager
def _clock() -> Iterator[dict[str, float]]:
    """Yield a mapping that gets the block's wall seconds and this process's CPU seconds."""
    took: dict[str, float] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield took
    took |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def _row(what: str, ours: dict[str, float], peer: dict[str, float]) -> bool:
    click.echo(
        f"| {what} | {ours['wall']:.1f} s | {ours['cpu']:.1f} s | {peer['wall']:.1f} s | "
        f"{peer['wall'] / ours['wall']:.2f} x |"
    )
    if ours["wall"] > GOALS[what]:
        click.echo(f"missed: {what} took {ours['wall']:.0f} s, the goal is {GOALS[what]:.0f}", err=True)
        return True
    return False


def _tables(scratch: Path) -> Path:
    real = Path(os.environ.get("CUSTOMER_RISK_SHARED", HERE.parent / "shared")) / "data" / "hometask"
    if real.is_dir():
        return real
    synthesize(scratch / "tables", customers=300, seed=7, risk_rate=0.16)
    return scratch / "tables"


if __name__ == "__main__":
    main()
