"""Measures the time of each stage of a run, and shows the stages in the terminal."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from typing_extensions import override

from customer_risk.model.evaluation.results import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from rich.console import Console
    from rich.progress import TaskID


class Stages:
    """Measures the time of each stage; a subclass can show it. `timings` are those of the ended stages, in order."""

    def __init__(self) -> None:
        self.timings: list[Timing] = []

    @contextmanager
    def stage(self, title: str, steps: int = 1) -> Iterator[Callable[[], None]]:
        """Run a stage of `steps` steps; yields a function to call after each step, from any thread."""
        began = time.perf_counter()
        self.began(title, steps)
        try:
            yield self.advanced
        finally:
            self.timings.append(Timing(stage=title, seconds=round(time.perf_counter() - began, 3)))
            self.ended(title)

    def began(self, title: str, steps: int) -> None:
        """Do something when a stage begins."""

    def advanced(self) -> None:
        """Do something after a step."""

    def ended(self, title: str) -> None:
        """Do something when a stage ends."""


class Shown(Stages):
    """Shows each stage with its steps and its time."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._progress = Progress(
            SpinnerColumn(finished_text="done"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: list[TaskID] = []

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    @override
    def began(self, title: str, steps: int) -> None:
        self._tasks.append(self._progress.add_task(title, total=steps))

    @override
    def advanced(self) -> None:
        self._progress.advance(self._tasks[-1])

    @override
    def ended(self, title: str) -> None:  # the stage that ends is the last that began
        task = self._progress.tasks[self._tasks[-1]]
        self._progress.update(task.id, completed=task.total)
