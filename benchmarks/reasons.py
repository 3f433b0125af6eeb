# ruff: noqa: INP001  a script
"""Time exact reasons beside XGBoost's `pred_contribs` and `shap.TreeExplainer`; prints a Markdown table.

    .venv/bin/python -m benchmarks.reasons [--rows 10000]

Each runs on one thread. Times are CPU times: medians of rounds in which all take turns, so that other work on the
machine affects all alike. XGBoost's DMatrix is created before its time starts; our time includes everything from a
float64 array to margins and contributions. `shap.TreeExplainer` calls `pred_contribs` for an XGBoost model, so its own
C code is timed as well; its results differ because it compares in double precision. "Caches cold" is one row after
reading 8 MB of other memory. Exits with 1 if a goal is missed (20 times as fast as `pred_contribs` for one row and 10
times in a batch, at depth 4), or if contributions differ from `pred_contribs` by more than 1e-5.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
import numpy as np
import xgboost

from benchmarks.serving.versions import versions
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.training.export import trees_from_booster

if TYPE_CHECKING:
    from numpy.typing import NDArray

Peer = Callable[[], "NDArray[np.float64]"]

MODELS = ((3, 200), (4, 200), (6, 300))  # depth, trees
COLUMNS = 100
GOALS = {"one row": 20.0, "batch": 10.0}
SECONDS = 20.0  # no further round begins after one that took longer than this


@click.command(help=__doc__)
@click.option("--rows", default=10_000, show_default=True, help="Rows of the batch.")
def main(rows: int) -> None:
    """Run the benchmark and print its table."""
    chance = np.random.default_rng(0)
    values = chance.normal(size=(max(rows, 20_000), COLUMNS))
    values[chance.random(values.shape) < 0.1] = np.nan
    signal = np.nan_to_num(values) @ chance.normal(size=COLUMNS) + np.nan_to_num(values[:, 0] * values[:, 1])
    labels = signal + 3 * chance.normal(size=len(values)) > 2
    heads = ("model", "rows", "ours, a row", "`pred_contribs`", "`shap.TreeExplainer`", "shap's own C code", "ours is")
    heads = (*heads, "ours, caches cold", "tables, and their creation", "greatest difference")
    click.echo(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    missed = [fault for depth, trees in MODELS for fault in _model(depth, trees, values, labels, rows)]
    click.echo(f"\n{versions('numba', 'xgboost-cpu', 'shap')}")
    for fault in missed:
        click.echo(f"missed: {fault}", err=True)
    sys.exit(bool(missed))


def _model(depth: int, trees: int, values: NDArray[np.float64], labels: NDArray[np.bool_], rows: int) -> list[str]:
    """Print the two lines of a model; return the goals that it misses."""
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": depth, "eta": 0.1, "nthread": 1},
        xgboost.DMatrix(values, labels),
        num_boost_round=trees,
    )
    began = time.process_time()
    explainer = Explainer(trees_from_booster(booster))
    built = time.process_time() - began
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap's plots cause warnings of matplotlib
        import shap  # noqa: PLC0415  it takes seconds and warns

        default = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
        own = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
        own.model.model_type = "internal"  # otherwise it calls pred_contribs
    missed = []
    for what, some in (("one row", values[:1]), ("batch", values[:rows])):
        matrix = xgboost.DMatrix(some, nthread=1)
        peers: dict[str, Peer] = {
            "ours": lambda some=some: explainer.explain(some)[1],
            "pred_contribs": lambda matrix=matrix: booster.predict(matrix, pred_contribs=True)[:, :-1],
            "shap": lambda some=some: default.shap_values(some),
            "own": lambda some=some: own.shap_values(some, check_additivity=False),
        }
        single = what == "one row"
        answers, took = _take_turns(peers, calls=200 if single else 1, rounds=15 if single else 3)
        difference = float(np.abs(answers["ours"] - answers["pred_contribs"]).max())
        ratio = took["pred_contribs"] / took["ours"]
        shown = " | ".join(_per_row(took[name], len(some)) for name in peers)
        cold = f"{_per_row(_after_other_work(peers['ours']), 1)}" if single else ""
        click.echo(
            f"| {trees} trees of depth {depth} | {len(some):,} | {shown} | {ratio:.0f} x | "
            f"{cold} | {explainer.table_bytes / 1e6:.1f} MB, {built:.2f} s | {difference:.0e} |"
        )
        if depth == 4 and ratio < GOALS[what]:
            missed.append(f"{ratio:.1f} times pred_contribs for {what} at depth 4, the goal is {GOALS[what]:.0f}")
        if difference > 1e-5:
            missed.append(f"contributions at depth {depth} differ by {difference:.1e}, more than 1e-5")
    return missed


def _take_turns(
    peers: dict[str, Peer], *, calls: int, rounds: int
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Return each contender's result and median seconds of a call; a turn lasts about as long as `calls` of ours."""
    answers: dict[str, NDArray[np.float64]] = {}
    took: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(rounds + 1):
        for name, run in peers.items():
            repeats = calls if name == "ours" else max(1, calls // 20)
            start = time.process_time()
            for _ in range(repeats):
                answers[name] = run()
            took[name].append((time.process_time() - start) / repeats)
        if sum(times[-1] for times in took.values()) > SECONDS:
            break
        if number == 0:
            took = {name: [] for name in peers}  # the first round warms up
    return answers, {name: float(np.median(times)) for name, times in took.items()}


def _after_other_work(run: Peer, rounds: int = 100) -> float:
    """Return the median seconds of a call after reading 8 MB of other memory, which empties the nearer caches."""
    other = np.zeros(1_000_000)
    took = []
    for _ in range(rounds):
        other += 1
        start = time.process_time()
        run()
        took.append(time.process_time() - start)
    return float(np.median(took))


def _per_row(seconds: float, rows: int) -> str:
    return f"{1e6 * seconds / rows:,.1f} us"


if __name__ == "__main__":
    main()
