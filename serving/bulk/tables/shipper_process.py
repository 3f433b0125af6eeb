"""The shipper of the run's records, in a separate process during the run."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import msgspec

from customer_risk.model.errors import ConfigError, CustomerRiskError
from customer_risk.serving.record.shipper.status import SinkStatus, read

if TYPE_CHECKING:
    from customer_risk.serving.record.settings import RecordSettings
    from customer_risk.serving.telemetry.logs import LogSettings

_ENDING_SECONDS: Final = 5.0  # for its end, after its drain period
_LOOK_SECONDS: Final = 0.2
_log = logging.getLogger("serving.batch")


class RecordsLeft(CustomerRiskError):
    """The run's results are stored, but not all its records are in every sink."""


class Shipping:
    """Runs a shipper during the context if the setting record.ship.embedded is true."""

    def __init__(self, record: RecordSettings, logs: LogSettings) -> None:
        self._wanted = record.enabled and record.ship.embedded
        self._record = record
        self._logs = logs
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.keep()
        return self

    def __exit__(self, *_: object) -> None:
        """End the shipper: it ships what is in the outbox for at most `drain_seconds`, and is then killed."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(self._record.ship.drain_seconds + _ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def keep(self) -> None:
        """Start the shipper if it isn't running."""
        if not self._wanted or (self._process is not None and self._process.poll() is None):
            return
        if self._process is not None:
            _log.error("the shipper ended with %d; another one starts", self._process.returncode)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "customer_risk.serving.record.shipper.main"], stdin=subprocess.PIPE
        )
        if self._process.stdin is not None:
            # By standard input: other processes can see arguments.
            with contextlib.suppress(OSError):
                self._process.stdin.write(msgspec.json.encode(self._record.shipper_config(self._logs)) + b"\n")
                self._process.stdin.flush()

    def finish(self, seconds: float) -> None:
        """Wait until everything is shipped, up to a limit; raises RecordsLeft if records remain then."""
        if not self._wanted:
            return
        closed, deadline = time.time(), time.monotonic() + seconds
        folder = Path(self._record.shipper_config(self._logs).folder)
        while True:
            self.keep()
            left = {name: each.lag_records for name, each in self._seen(folder, closed).items()}
            if left and not any(left.values()):
                return
            if time.monotonic() > deadline:
                raise RecordsLeft(
                    f"Results are stored, but records are left in {folder}: {left or 'number unknown'}.",
                    remedy="Repeat the run on a machine with that folder: it ships them.",
                )
            time.sleep(_LOOK_SECONDS)

    @staticmethod
    def _seen(folder: Path, since: float) -> Mapping[str, SinkStatus]:
        """Return the state of each sink that a shipper has written since a time."""
        try:
            status = read(folder)
        except ConfigError:  # it hasn't written a state yet
            return {}
        return status.sinks if status.at > since else {}
