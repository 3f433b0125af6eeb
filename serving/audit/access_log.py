"""The access log: who read which decisions, when, and with which command."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.serving.audit.terminal import say
from customer_risk.serving.record.sinks.proof import customer_digest

_encode: Final = msgspec.json.Encoder().encode


class Access(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the access log.

    severity, time       as Cloud Logging reads them; RFC 3339, UTC
    message              `record read` in every line
    operator             who read: --by, else the login name
    command              show, list, replay, export or erase
    decisions            the decisions' ids
    customers            SHA-256 of the customer's ids as recorded, as erasures name them
    since, sample        what else chose the decisions
    places               where they were read
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
    """Appends a line for each access to `path`, or writes it to standard error without one.

    Raises ConfigError without an operator.
    """

    def __init__(self, path: Path | None, operator: str, command: str, places: Sequence[str]) -> None:
        if not operator:
            raise ConfigError("Nobody is named as the reader of the record.", remedy="Name yourself with --by.")
        self._path = path
        self._operator = operator
        self._command = command
        self._places = tuple(places)

    def note(
        self,
        decisions: Sequence[str] = (),
        *,
        customers: Sequence[str] = (),
        since: dt.datetime | None = None,
        sample: int | None = None,
    ) -> None:
        """Write a line, before anything is shown; raises ConfigError where it can't be written."""
        line = _encode(
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
                places=self._places,
            )
        )
        if self._path is None:
            say(line.decode(), err=True)
            return
        try:
            _append(self._path, line + b"\n")
        except OSError as error:
            raise ConfigError(
                f"The access log {self._path} can't be written: {error}.",
                remedy="Nothing is shown without it. Name a file that you may append to with --access-log.",
            ) from error


def _append(path: Path, line: bytes) -> None:
    """Append a line in one write, so that lines of others don't mix with it, and sync it."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.write(file, line) != len(line):
            raise OSError("the line isn't whole: the disk is full")
        os.fsync(file)
    finally:
        os.close(file)
