"""The access log: who read which decisions, when, and with which command."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.model.escaping import escape_line
from customer_risk.model.terminal import echo
from customer_risk.serving.record.sinks.proof import customer_digest

_encode: Final = msgspec.json.Encoder().encode


class Access(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the access log.

    severity, time       as Cloud Logging reads them; the time in RFC 3339, UTC
    message              `record read` in every line
    operator             who read the record: --by, else the login name
    command              show, list, replay, export or erase
    decisions            the decisions' ids
    customers            SHA-256 of the customer's ids as recorded; erasures have the same hashes
    since, sample        the command's other options that select decisions
    places               the sinks and the outbox that were read
    """

    severity: str
    time: str
    message: str
    operator: str
    command: str
    decisions: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()
    since: str = ""
    sample: int = 0
    places: tuple[str, ...] = ()


class AccessLog:
    """Appends a line for each access to the file `path`; if `path` is None, writes it to standard error.

    Raises ConfigError if `operator` is empty.
    """

    def __init__(self, path: Path | None, operator: str, command: str, places: Sequence[str]) -> None:
        if not operator:
            raise ConfigError("The reader of the record has no name.", remedy="Give your name with --by.")
        self._path = path
        self._operator = operator
        self._command = command
        self._places = tuple(places)

    def append(
        self,
        decisions: Sequence[str] = (),
        *,
        customers: Sequence[str] = (),
        since: dt.datetime | None = None,
        sample: int | None = None,
    ) -> None:
        """Write the line of one access; raises ConfigError if it can't be written."""
        access = _encode(
            Access(
                severity="NOTICE",
                time=dt.datetime.now(dt.UTC).isoformat(),
                message="record read",
                operator=self._operator,
                command=self._command,
                decisions=tuple(decisions),
                customers=tuple(customer_digest(each) for each in customers),
                since="" if since is None else since.isoformat(),
                sample=sample or 0,
                places=tuple(map(escape_line, self._places)),
            )
        )
        line = escape_line(access.decode()).encode()
        try:
            if self._path is not None:
                _append(self._path, line + b"\n")
            else:
                _print(line)
        except OSError as error:
            raise ConfigError(
                f"The access log {self._path or '(standard error)'} can't be written: {error}.",
                remedy="No record is shown without it. Name a file that you can append to with --access-log.",
            ) from error


def _print(line: bytes) -> None:
    """Write a line to standard error; raises OSError if it is closed."""
    if sys.stderr is None:
        raise OSError("standard error is closed")
    echo(line.decode(), err=True)


def _append(path: Path, line: bytes) -> None:
    """Append a line in one write, so that it doesn't mix with other processes' lines, and sync it."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.write(file, line) != len(line):
            raise OSError("the line was only written in part: the disk is full")
        os.fsync(file)
    finally:
        os.close(file)
