"""What a run sends and when: the one thing that the generator's processes are told."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import msgspec

CALLERS: Final = 10  # at the first rate; ten times the rate is ten times as many, each as busy as before
FOLDER: Final = "CUSTOMER_RISK_LOADTEST_FOLDER"  # environment variables of a generator's process
PART: Final = "CUSTOMER_RISK_LOADTEST_PART"


class Stage(msgspec.Struct, frozen=True):
    """So many requests a second for so many seconds."""

    rate: float
    seconds: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A run with rising rates.

    url               of the gateway or server, without a path
    host              the Host header; empty: the URL's own
    token_file        of a bearer token, read once; empty: none
    payloads          the file of requests
    stages            one after the other, none slower than the one before
    begins            seconds since 1970: the same for all processes
    processes         that share the callers
    patience          seconds from when a request was due until it counts as failed
    minimum_patterns  of the bundle's action rule: a high customer with at least as many is proposed
    folder            where each process writes what became of its requests
    """

    url: str
    host: str
    token_file: str
    payloads: str
    stages: tuple[Stage, ...]
    begins: float
    processes: int = 1
    patience: float = 30.0
    minimum_patterns: int = 1
    folder: str

    @property
    def ends(self) -> float:
        """Seconds since 1970 when the last request is due."""
        return self.begins + sum(stage.seconds for stage in self.stages)

    @property
    def pace(self) -> float:
        """Requests a second of one caller."""
        return self.stages[0].rate / CALLERS

    def callers(self, stage: Stage) -> int:
        """Count the callers of a stage, of all processes."""
        return round(stage.rate / self.pace)

    def begin_of(self, caller: int) -> float:
        """Seconds since 1970 when the stage that needs this caller begins."""
        began = self.begins
        for stage in self.stages:
            if caller < self.callers(stage):
                return began
            began += stage.seconds
        return self.ends

    def dues(self, caller: int, share: float) -> Iterator[float]:
        """Give the times when a caller's requests are due, `share` of its interval after its stage began."""
        began, number = self.begin_of(caller), 0
        while (due := began + (number + share) / self.pace) < self.ends:
            yield due
            number += 1

    def mine(self, moment: float, part: int) -> int:
        """Count the callers that part `part` of the processes needs at a moment."""
        began, needed = self.begins, self.callers(self.stages[0])
        for stage in self.stages:
            if moment >= began:
                needed = self.callers(stage)
            began += stage.seconds
        return len(range(part, needed, self.processes))

    def save(self, file: Path) -> None:
        """Write it for the processes, whole or not at all."""
        partial = file.with_suffix(".partial")
        partial.write_bytes(msgspec.json.encode(self))
        partial.replace(file)

    @classmethod
    def await_mine(cls) -> tuple[Self, int]:
        """Say that this process is ready, wait for the plan, and tell which part of it is this process's."""
        folder, part = Path(os.environ[FOLDER]), int(os.environ[PART])
        (folder / f"ready-{part}").touch()
        while not (folder / "plan.json").exists():
            time.sleep(0.02)
        return msgspec.json.decode((folder / "plan.json").read_bytes(), type=cls), part


class Outcome(msgspec.Struct, frozen=True):
    """What became of a request.

    `due` is in seconds since 1970, `ms` from then to the end of the last answer, waiting included; `late_ms` from then
    until the generator got round to it; `again` counts answers that said to come back, `decisions` those received.
    """

    due: float
    ms: float
    late_ms: float
    kind: str
    status: int
    again: int
    decisions: int
    failed: str
    wrong: str
