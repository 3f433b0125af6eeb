"""The plan of a run, which the generator's processes read: what is sent, and when."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import msgspec

CALLERS: Final = 10  # at the first rate; at ten times the rate there are ten times as many, each with the same rate
FOLDER: Final = "CUSTOMER_RISK_LOADTEST_FOLDER"  # environment variables of a generator's process
PART: Final = "CUSTOMER_RISK_LOADTEST_PART"


class Stage(msgspec.Struct, frozen=True):
    """A number of requests a second for a number of seconds."""

    rate: float
    seconds: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A run with rising rates.

    url               of the gateway or server, without a path
    host              the Host header; empty: the URL's own
    token_file        of a bearer token, read once; empty: no token
    payloads          the file of requests
    stages            one after the other, with rates that never decrease
    begins            seconds since 1970: the same for all processes
    processes         that share the callers
    patience          seconds after a request was due; without an answer by then it has failed
    minimum_patterns  of the bundle's action rule: a high customer with this number of patterns is proposed
    folder            in which each process writes the outcomes of its requests
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
        """Time when the last request is due, in seconds since 1970."""
        return self.begins + sum(stage.seconds for stage in self.stages)

    @property
    def pace(self) -> float:
        """Requests a second of one caller."""
        return self.stages[0].rate / CALLERS

    def callers(self, stage: Stage) -> int:
        """Return the number of callers of a stage, in all processes."""
        return round(stage.rate / self.pace)

    def begin_of(self, caller: int) -> float:
        """Return when the stage that needs this caller begins, in seconds since 1970."""
        began = self.begins
        for stage in self.stages:
            if caller < self.callers(stage):
                return began
            began += stage.seconds
        return self.ends

    def dues(self, caller: int, share: float) -> Iterator[float]:
        """Return the times when a caller's requests are due, `share` of its interval after its stage began."""
        began, number = self.begin_of(caller), 0
        while (due := began + (number + share) / self.pace) < self.ends:
            yield due
            number += 1

    def mine(self, moment: float, part: int) -> int:
        """Return the number of callers that process `part` needs at a time."""
        began, needed = self.begins, self.callers(self.stages[0])
        for stage in self.stages:
            if moment >= began:
                needed = self.callers(stage)
            began += stage.seconds
        return len(range(part, needed, self.processes))

    def save(self, file: Path) -> None:
        """Write the plan for the processes, atomically."""
        partial = file.with_suffix(".partial")
        partial.write_bytes(msgspec.json.encode(self))
        partial.replace(file)

    @classmethod
    def await_mine(cls) -> tuple[Self, int]:
        """Report that this process is ready, and wait for the plan; return it with the number of this process."""
        folder, part = Path(os.environ[FOLDER]), int(os.environ[PART])
        (folder / f"ready-{part}").touch()
        while not (folder / "plan.json").exists():
            time.sleep(0.02)
        return msgspec.json.decode((folder / "plan.json").read_bytes(), type=cls), part


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of a request.

    `due` is in seconds since 1970. `ms` is the time from then to the end of the last answer, with all waits; `late_ms`
    the time from then until the generator sent it. `again` counts refusals with Retry-After, `decisions` the decisions
    received.
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
