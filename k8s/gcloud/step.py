"""A step creates one resource if it doesn't exist. Steps are printed as a shell script, or run."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Command = tuple[str, ...]


class StepError(Exception):
    """A command failed. The steps before it are done; run all steps again to continue."""


@dataclass(frozen=True, slots=True)
class Step:
    """The commands for one resource.

    why      its purpose, in a line
    make     creates it; can be repeated if `there` is empty
    there    ends with 0 if it exists
    align    updates its settings; can be repeated
    """

    why: str
    make: Command
    there: Command = ()
    align: Command = ()

    def shell(self) -> str:
        """Return the step as shell commands."""
        made = shlex.join(self.make)
        if self.there:
            made = f"{shlex.join(self.there)} >/dev/null 2>&1 ||\n  {made}"
        return "\n".join([f"# {self.why}", made, *([shlex.join(self.align)] if self.align else [])])

    def commands(self) -> list[Command]:
        """Return every command of the step."""
        return [each for each in (self.there, self.make, self.align) if each]

    def run(self, say: Callable[[str], None]) -> None:
        """Create the resource if it doesn't exist. Raises StepError with the error output of a failed command."""
        if self.there and _run(self.there).returncode == 0:
            say(f"exists   {self.why}")
        else:
            _must(self.make)
            say(f"created  {self.why}")
        if self.align:
            _must(self.align)


def run(steps: Iterable[Step], say: Callable[[str], None]) -> None:
    """Run steps in order. Raises StepError at the first failure."""
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
        raise StepError(f"{shlex.join(command)}\nfailed with exit code {done.returncode}:\n{done.stderr.strip()}")
