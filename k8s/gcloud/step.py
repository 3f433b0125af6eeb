"""A step makes one thing if it isn't there: printed for a person to read, or run."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Command = tuple[str, ...]


class StepError(Exception):
    """A command failed; the steps before it hold, and running everything again goes on from there."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing.

    why      what it is for, in a line
    make     makes it; safe to repeat where `there` is empty
    there    ends with 0 where it has been made
    align    brings what is there to the settings wanted; safe to repeat
    """

    why: str
    make: Command
    there: Command = ()
    align: Command = ()

    def shell(self) -> str:
        """Write the step as a shell would take it."""
        made = shlex.join(self.make)
        if self.there:
            made = f"{shlex.join(self.there)} >/dev/null 2>&1 ||\n  {made}"
        return "\n".join([f"# {self.why}", made, *([shlex.join(self.align)] if self.align else [])])

    def commands(self) -> list[Command]:
        """Give every command of the step."""
        return [each for each in (self.there, self.make, self.align) if each]

    def run(self, say: Callable[[str], None]) -> None:
        """Make the thing if it isn't there. Raises StepError with what the failing command said."""
        if self.there and _run(self.there).returncode == 0:
            say(f"there    {self.why}")
        else:
            _must(self.make)
            say(f"made     {self.why}")
        if self.align:
            _must(self.align)


def run(steps: Iterable[Step], say: Callable[[str], None]) -> None:
    """Run steps in their order; raises StepError at the first that fails."""
    for step in steps:
        step.run(say)


def _run(command: Command) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  no shell, our words
    except FileNotFoundError as error:
        raise StepError(f"{command[0]} isn't installed: it comes with the Google Cloud CLI.") from error


def _must(command: Command) -> None:
    done = _run(command)
    if done.returncode:
        raise StepError(f"{shlex.join(command)}\nended with {done.returncode}:\n{done.stderr.strip()}")
