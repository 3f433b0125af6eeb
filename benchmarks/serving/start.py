"""Time a server's start on one core: `.venv/bin/python -m benchmarks.serving.start`; the first run compiles kernels."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import click

from benchmarks.serving.contenders import contenders, running
from benchmarks.serving.material import make_material
from benchmarks.serving.usage import peak_memory
from benchmarks.serving.versions import versions

GOAL = 5.0  # seconds


@click.command(help=__doc__)
@click.option("--runs", default=5, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"))
def main(runs: int, folder: Path) -> None:
    """Start the server several times; exit with 1 if the median misses the goal."""
    ours = contenders(make_material(folder / "material"), None)[0]
    took, peaks = [], []
    for _ in range(runs + 1):
        with running(ours, folder / "log-start.txt") as server:
            took.append(server.started)
            peaks.append(peak_memory(server.process.pid))
    counted = took[1:]
    click.echo("| started -> ready, one core | from-to | goal | peak MB |\n|---|---|---|---|")
    spread = f"{min(counted):.2f}-{max(counted):.2f} s"
    click.echo(f"| {median(counted):.2f} s | {spread} | {GOAL:.0f} s | {max(peaks):.0f} |")
    click.echo(f"\n{versions('kserve', 'numba')}")
    raise SystemExit(median(counted) >= GOAL)


if __name__ == "__main__":
    main()
