"""Draws rate, latency and replicas of a run on one time axis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import polars as pl

from loadtest.gates import Gates

_SAID, _GOT, _TAIL, _BAD = "#9aa0a6", "#1a73e8", "#e8710a", "#d93025"


def draw(frame: pl.DataFrame, *, step: float, gates: Gates, settled: float, folder: Path) -> None:
    """Draw a run's seconds (loadtest.timeline.by_second) as timeline.png and timeline.svg in `folder`.

    `step` is the second of the step, `settled` the number of seconds after it from which p99 stays below its limit.
    """
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  only once the backend is chosen

    cluster = frame["replicas_ready"].is_not_null().any()
    figure, axes = plt.subplots(
        3 if cluster else 2, 1, sharex=True, figsize=(10, 8 if cluster else 6), layout="constrained"
    )
    second = frame["second"] + 0.5
    _rates(axes[0], frame, second)
    _latencies(axes[1], frame, second, gates)
    if cluster:
        axes[2].step(frame["second"] + 1, frame["replicas_wanted"], where="post", color=_SAID, label="wanted")
        axes[2].step(frame["second"] + 1, frame["replicas_ready"], where="post", color=_GOT, label="ready")
        axes[2].set_ylabel("pods")
        axes[2].set_ylim(bottom=0)
    for axis in axes:
        axis.axvline(step, color="black", linewidth=0.8, linestyle=":")
        axis.axvspan(step, step + min(settled, len(frame) - step), color=_TAIL, alpha=0.08, linewidth=0)
        axis.grid(alpha=0.25)
        axis.legend(loc="upper left", frameon=False, fontsize="small")
    axes[-1].set_xlabel("seconds (when requests were due); shaded: from the step until p99 stays below its limit")
    for ending in ("png", "svg"):
        figure.savefig(folder / f"timeline.{ending}", dpi=120)
    plt.close(figure)


def _rates(axis: Any, frame: pl.DataFrame, second: pl.Series) -> None:
    axis.step(second, frame["wanted"], where="mid", color=_SAID, label="planned")
    axis.plot(second, frame["sent"], color=_GOT, label="sent")
    axis.plot(second, frame["asked_again"], color=_TAIL, label="refused with Retry-After")
    axis.plot(second, frame["failed"] + frame["wrong"], color=_BAD, label="failed or wrong")
    axis.set_ylabel("requests a second")
    axis.set_ylim(bottom=0)


def _latencies(axis: Any, frame: pl.DataFrame, second: pl.Series, gates: Gates) -> None:
    axis.plot(second, frame["p50_ms"], color=_GOT, label="p50")
    axis.plot(second, frame["p99_ms"], color=_TAIL, label="p99")
    axis.axhline(gates.p99_ms, color=_BAD, linewidth=0.8, label=f"limit of p99, {gates.p99_ms:g} ms")
    axis.set_yscale("log")
    axis.set_ylabel("ms, single requests")
