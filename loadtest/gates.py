"""The limits of a run, read from one file, and the verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import click
import msgspec
from msgspec import Meta

DEFAULT: Final = Path(__file__).with_name("gates.yaml")

# The option of every command that judges by gates.
gates_option = click.option(
    "--gates",
    "gates_file",
    type=click.Path(path_type=Path),
    default=DEFAULT,
    help="YAML file of the limits; by default loadtest/gates.yaml.",
)

_Count = Annotated[int, Meta(ge=0)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Some = Annotated[float, Meta(gt=0)]


class GatesError(Exception):
    """The gates can't be used."""


class Gates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The limits, which gates.yaml describes. With a limit of None, the measured value is printed and not judged.

    Without `settled_within_seconds` neither p99 is judged: `p99_ms` then only sets the limit that the table names.
    """

    failed_requests: _Count
    wrong_answers: _Count
    asked_again_share: _Share | None
    p99_ms: _Some
    window_seconds: Annotated[int, Meta(gt=0)]
    settled_within_seconds: _Some | None
    replicas_at_least: _Count
    generator_late_p99_ms: _Some | None
    arrivals_share: _Share
    lost_records: _Count
    doubled_records: _Count


class Verdict(msgspec.Struct, frozen=True):
    """The result of a gate; `held` is None if it wasn't judged. A value that is only printed has no limit."""

    gate: str
    limit: str
    measured: str
    held: bool | None


def load_gates(file: Path = DEFAULT) -> Gates:
    """Read the gates; raises GatesError if a gate is missing or unknown, or the file can't be read."""
    try:
        return msgspec.yaml.decode(file.read_bytes(), type=Gates)
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise GatesError(f"The gates of {file} can't be used: {' '.join(str(error).split())}.") from error


def table(verdicts: Iterable[Verdict]) -> str:
    """Return the verdicts as a Markdown table."""
    words = {True: "held", False: "MISSED", None: "not judged"}
    rows = [
        f"| {one.gate} | {one.limit} | {one.measured} | {words[one.held] if one.limit else ''} |" for one in verdicts
    ]
    return "\n".join(["| gate | limit | measured | verdict |", "|---|---|---|---|", *rows])


def all_held(verdicts: Iterable[Verdict]) -> bool:
    """Return whether no gate was missed."""
    return all(one.held is not False for one in verdicts)
