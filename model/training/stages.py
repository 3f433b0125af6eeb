"""A run's stages as they pass: timed for the report, and told to whoever watches."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from customer_risk.model.evaluation.results import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Stages:
    """Times each stage; a subclass shows it. `timings` holds the stages that ended, in order."""

    def __init__(self) -> None:
        self.timings: list[Timing] = []

    @contextmanager
    def stage(self, title: str, steps: int = 1) -> Iterator[Callable[[], None]]:
        """Enclose a stage of `steps` steps; the block is given what to call after each step, from any thread."""
        began = time.perf_counter()
        self.began(title, steps)
        try:
            yield self.advanced
        finally:
            self.timings.append(Timing(stage=title, seconds=round(time.perf_counter() - began, 3)))
            self.ended(title)

    def began(self, title: str, steps: int) -> None:
        """Note that a stage begins."""

    def advanced(self) -> None:
        """Note that the stage is one step further."""

    def ended(self, title: str) -> None:
        """Note that a stage is over."""
