"""Runs Locust in separate processes, and reads their results."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from loadtest.plan import FOLDER, PART, Outcome, Plan, Stage

_IMPORTING: Final = 600.0  # most seconds until a Locust process is ready, on a busy machine
_ENDING: Final = 300.0  # most seconds from the end of the callers' patience to the end of their process
_STARTING: Final = 3.0  # seconds from then to the first request, in which the first callers are created
_USERS: Final = Path(__file__).with_name("users.py")
SCHEMA: Final = {
    "due": pl.Float64,
    "ms": pl.Float64,
    "late_ms": pl.Float64,
    "kind": pl.String,
    "status": pl.Int64,
    "again": pl.Int64,
    "decisions": pl.Int64,
    "failed": pl.String,
    "wrong": pl.String,
}


class GeneratorError(Exception):
    """Locust ended before the run was over, or never started."""


def generate(
    folder: Path,
    *,
    url: str,
    host: str,
    token_file: Path | None,
    payloads: Path,
    stages: tuple[Stage, ...],
    processes: int,
    patience: float,
    minimum_patterns: int = 1,
) -> Plan:
    """Send the requests of the stages, wait for the last answer, and return the plan.

    `folder` then holds outcomes-N.jsonl, decisions-N.txt and locust-N.log of each process. Raises GeneratorError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("outcomes-*", "decisions-*", "ready-*", "plan.json"):
        for old in folder.glob(name):
            old.unlink()
    started: list[subprocess.Popen[bytes]] = []
    try:
        for part in range(processes):
            environment = os.environ | {FOLDER: str(folder.resolve()), PART: str(part)}
            # The gates judge failed requests; they must not change Locust's exit code.
            options = ["--headless", "--only-summary", "--stop-timeout", "1", "--exit-code-on-error", "0"]
            command = [sys.executable, "-m", "locust", "-f", str(_USERS), *options]
            with (folder / f"locust-{part}.log").open("wb") as log:
                streams: dict[str, Any] = {"stdout": log, "stderr": log}
                process = subprocess.Popen(command, env=environment, start_new_session=True, **streams)  # noqa: S603  our own command
            started.append(process)
        _wait_until_ready(folder, started)
        plan = Plan(
            url=url.rstrip("/"),
            host=host,
            token_file=str(token_file.resolve()) if token_file else "",
            payloads=str(payloads.resolve()),
            stages=stages,
            begins=time.time() + _STARTING,
            processes=processes,
            patience=patience,
            minimum_patterns=minimum_patterns,
            folder=str(folder.resolve()),
        )
        plan.save(folder / "plan.json")
        for part, process in enumerate(started):
            if process.wait(max(0.0, plan.ends - time.time()) + patience + _ENDING):
                raise _died(folder, part)
    finally:
        for process in started:
            process.kill()
            process.wait()
    return plan


def _wait_until_ready(folder: Path, started: list[subprocess.Popen[bytes]]) -> None:
    """Wait until every process has imported its modules: the plan's beginning is set only then."""
    deadline = time.monotonic() + _IMPORTING
    for part, process in enumerate(started):
        while not (folder / f"ready-{part}").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise _died(folder, part)
            time.sleep(0.05)


def _died(folder: Path, part: int) -> GeneratorError:
    said = (folder / f"locust-{part}.log").read_text(errors="replace")[-2000:]
    return GeneratorError(f"Locust's process {part} ended too early, or never started:\n{said}")


def read_outcomes(folder: Path, plan: Plan) -> pl.DataFrame:
    """Return the outcome of every request, by due time; `second` float64 counts from the plan's beginning."""
    decoder = msgspec.json.Decoder(Outcome)
    rows = [
        msgspec.structs.astuple(decoder.decode(line))
        for file in sorted(folder.glob("outcomes-*.jsonl"))
        for line in file.read_bytes().splitlines()
    ]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("due")
    return frame.with_columns(second=pl.col("due") - plan.begins)


def read_decisions(folder: Path) -> list[str]:
    """Return the id of every decision received."""
    return [line for file in sorted(folder.glob("decisions-*.txt")) for line in file.read_text().splitlines()]
