"""A run's stages on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from customer_risk.model.training.stages import Stages

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.progress import TaskID


class Shown(Stages):
    """Shows each stage with its steps and its time; finished ones stay where the console is a terminal."""

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

    def began(self, title: str, steps: int) -> None:
        """Show the stage."""
        self._tasks.append(self._progress.add_task(title, total=steps))

    def advanced(self) -> None:
        """Show one step more."""
        self._progress.advance(self._tasks[-1])

    def ended(self, title: str) -> None:  # noqa: ARG002  the stage that ends is the last that began
        """Show the stage as done."""
        task = self._progress.tasks[self._tasks[-1]]
        self._progress.update(task.id, completed=task.total)
