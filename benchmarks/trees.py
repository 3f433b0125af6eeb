# ruff: noqa: INP001  a script
"""Time a model's score by size and method; prints a Markdown table.

    .venv/bin/python -m benchmarks.trees

"tables" are the service's: the score with exact reasons. All others return the score alone: our walk over the nodes,
XGBoost's `inplace_predict`, and C code that tl2cgen writes and GCC compiles, with float thresholds and with quantised
ones (each value becomes the number of its interval, and nodes compare integers). Each runs on one thread. Times are CPU
times: medians of rounds in which all take turns. tl2cgen has an environment of its own, BUILD/tl2cgen.
Exits with 1 if two methods' margins differ by more than 1e-4.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import numpy as np
import xgboost

from benchmarks.serving.mlserver import environment
from benchmarks.serving.versions import versions
from customer_risk.model.scoring.explainer import Explainer
from customer_risk.model.training.export import trees_from_booster

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODELS: Final = ((50, 3), (100, 4), (200, 4), (400, 4), (300, 6))  # trees, depth
METHODS: Final = ("tables", "walk", "XGBoost", "C", "C, quantised")
COLUMNS: Final = 100
BATCH: Final = 1_000
TOLERANCE: Final = 1e-4  # C adds float32 numbers
LOOP: Final = Path(__file__).with_suffix(".c")
LOCK: Final = Path(__file__).with_name("tl2cgen.txt")
WRITE: Final = """
import sys, tl2cgen, treelite
model = treelite.frontend.load_xgboost_model(sys.argv[1])
tl2cgen.generate_c_code(model, dirpath=sys.argv[2], params={"quantize": int(sys.argv[3])}, verbose=False)
"""

Margins = Callable[["NDArray[np.float64]"], "NDArray[np.floating]"]


@click.command(help=__doc__)
@click.option("--rounds", default=15, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
def main(rounds: int, folder: Path) -> None:
    """Run the benchmark and print its table."""
    python = environment(folder / "tl2cgen", LOCK)
    chance = np.random.default_rng(0)
    values = chance.normal(size=(20_000, COLUMNS))
    values[chance.random(values.shape) < 0.1] = np.nan
    signal = np.nan_to_num(values) @ chance.normal(size=COLUMNS) + np.nan_to_num(values[:, 0] * values[:, 1])
    labels = signal + 3 * chance.normal(size=len(values)) > 2
    click.echo(f"| us a row | rows | {' | '.join(METHODS)} | MB of tables |\n{'|---' * (len(METHODS) + 3)}|")
    greatest = 0.0
    for trees, depth in MODELS:
        parameters = {"objective": "binary:logistic", "max_depth": depth, "eta": 0.1, "nthread": 1}
        booster = xgboost.train(parameters, xgboost.DMatrix(values, labels), num_boost_round=trees)
        explainer = Explainer(trees_from_booster(booster))
        methods = _methods(booster, explainer, folder / f"trees-{trees}-{depth}", python)
        for rows in (1, BATCH):
            took, difference = _take_turns(methods, values[:rows], rounds, calls=300 if rows == 1 else 2)
            greatest = max(greatest, difference)
            shown = " | ".join(f"{1e6 * took[name] / rows:.1f}" for name in METHODS)
            click.echo(f"| {trees} trees of depth {depth} | {rows:,} | {shown} | {explainer.table_bytes / 1e6:.1f} |")
    click.echo(f"\nGreatest difference of margins: {greatest:.0e}. {versions('numba', 'xgboost-cpu')}")
    sys.exit(greatest > TOLERANCE)


def _methods(booster: xgboost.Booster, explainer: Explainer, folder: Path, python: Path) -> dict[str, Margins]:
    """Return each method's function from float64[n, COLUMNS] to margins float64[n]."""
    folder.mkdir(parents=True, exist_ok=True)
    booster.save_model(folder / "model.ubj")
    booster.set_param({"nthread": 1})
    found: tuple[Margins, ...] = (
        explainer.margins,
        trees_from_booster(booster).margins,
        lambda values: booster.inplace_predict(values, predict_type="margin"),
        _compiled(folder, python, quantised=False),
        _compiled(folder, python, quantised=True),
    )
    return dict(zip(METHODS, found, strict=True))


def _compiled(folder: Path, python: Path, *, quantised: bool) -> Margins:
    """Return the function of the model's C code."""
    code = folder / ("quantised" if quantised else "plain")
    library = code / "model.so"
    write = [str(python), "-c", WRITE, str(folder / "model.ubj"), str(code), str(int(quantised))]
    subprocess.run(write, check=True, capture_output=True)  # noqa: S603  our own list
    sources = [str(LOOP), *map(str, code.glob("*.c"))]
    build = ["gcc", "-O2", "-march=native", "-shared", "-fPIC", "-I", str(code), "-o", str(library), *sources, "-lm"]
    subprocess.run(build, check=True, capture_output=True)  # noqa: S603  our own list
    function = ctypes.CDLL(str(library.resolve())).margins
    function.argtypes = (ctypes.c_void_p, ctypes.c_long, ctypes.c_int, ctypes.c_void_p)

    def margins(values: NDArray[np.float64]) -> NDArray[np.floating]:
        single, result = values.astype(np.float32), np.empty(len(values), np.float32)
        function(single.ctypes.data, len(single), single.shape[1], result.ctypes.data)
        return result

    return margins


def _take_turns(
    methods: dict[str, Margins], values: NDArray[np.float64], rounds: int, *, calls: int
) -> tuple[dict[str, float], float]:
    """Return the median seconds of each method's call, and the greatest difference between two methods' margins."""
    took: dict[str, list[float]] = {name: [] for name in methods}
    results = [method(values) for method in methods.values()]  # this also compiles
    for _ in range(rounds):
        for name, method in methods.items():
            start = time.process_time()
            for _ in range(calls):
                method(values)
            took[name].append((time.process_time() - start) / calls)
    difference = max(float(np.abs(result - results[0]).max()) for result in results)
    return {name: float(np.median(times)) for name, times in took.items()}, difference


if __name__ == "__main__":
    main()
