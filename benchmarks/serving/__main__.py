"""Run the comparison: `.venv/bin/python -m benchmarks.serving`."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

import click
import msgspec

from benchmarks.serving import mlserver, packages
from benchmarks.serving.contenders import MLSERVER, contenders, earlier
from benchmarks.serving.hot_path import profile
from benchmarks.serving.material import make_material
from benchmarks.serving.results import Measured, missed, table
from benchmarks.serving.rounds import measure
from benchmarks.serving.versions import versions


@click.command()
@click.option("--quick", is_flag=True, help="A minute instead of a full run; not reliable.")
@click.option("--profile", "profiled", is_flag=True, help="Print a profile of the process instead.")
@click.option("--against", type=click.Path(path_type=Path, exists=True), help="Also measure this checkout's .venv.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
def main(*, quick: bool, profiled: bool, against: Path | None, folder: Path) -> None:
    """Measure the service beside its peers, each on core 0 with the load from core 1; print a Markdown table.

    Every answer is checked. Exits with 1 if a goal is missed. FOLDER/serving.json has every round.
    """
    began = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"[{time.monotonic() - began:4.0f} s] {text}", err=True)

    say("training 200 trees of depth 4 over the whole catalogue")
    material = make_material(folder / "material")
    if profiled:
        click.echo(profile(material))
        return
    if (os.cpu_count() or 1) < 2:
        raise click.ClickException("two cores are needed: one for the server, one for the load")
    try:
        packages.ensure("wrk")
    except packages.ProgramMissing as error:
        raise click.ClickException(str(error)) from error
    python, why, peers = None, "", {}
    try:
        say("MLServer's environment (a minute the first time)")
        python = mlserver.environment(folder / "mlserver-env")
        peers = mlserver.versions(python)
    except RuntimeError as error:
        why = str(error)
        say(f"{MLSERVER} {why}")
    rounds, seconds, latency_seconds = (2, 1.0, 2.0) if quick else (5, 3.0, 8.0)
    asked = contenders(material, python)
    results = measure(
        asked if against is None else [*asked, *earlier(asked, against.absolute())],
        material.expected,
        folder,
        rounds=rounds,
        seconds=seconds,
        latency_seconds=latency_seconds,
        say=say,
    )
    if why:
        results.append(Measured(name=MLSERVER, failed=why))
    faults = missed(results)
    document = {
        "machine": platform.processor() or platform.machine(),
        "quick": quick,
        "versions": versions("kserve", "xgboost-cpu", "fastapi", "pydantic", "uvicorn", "uvloop", **peers),
        "results": results,
        "missed": faults,
    }
    (folder / "serving.json").write_bytes(msgspec.json.format(msgspec.json.encode(document)))
    click.echo(f"{table(results)}\n\n{document['versions']}")
    for fault in faults:
        click.echo(f"missed: {fault}", err=True)
    if faults:
        click.echo("a profile: .venv/bin/python -m benchmarks.serving --profile", err=True)
    say("done")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
