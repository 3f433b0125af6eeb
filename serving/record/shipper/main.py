"""The shipper's process, `python -m customer_risk.serving.record.shipper.main`; the first input line is its config."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from typing import Final, NoReturn

import msgspec

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.record.shipper.settings import ShipperConfig
from customer_risk.serving.record.shipper.shipper import Shipper, ship
from customer_risk.serving.telemetry.logs import configure

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger("serving.record")


def run(config: ShipperConfig, *, end_with_input: bool = False) -> int:
    """Ship until SIGTERM or SIGINT; return 1 if records are left, else 0. Call it from the main thread.

    With `end_with_input`, it also ends at the end of standard input. Raises ConfigError if a sink can't work.
    """
    shipper = Shipper(config)

    readable, writable = os.pipe()

    def wait_for_end() -> None:
        os.read(readable, 1)
        shipper.ending.begin(config.ship.drain_seconds)

    def listen() -> None:
        sys.stdin.buffer.read()
        os.write(writable, b"e")

    # A signal handler may run while its thread holds any lock, so it must not take one.
    for number in _SIGNALS:
        signal.signal(number, lambda *_: os.write(writable, b"s"))
    threading.Thread(target=wait_for_end, daemon=True).start()
    if end_with_input:
        threading.Thread(target=listen, daemon=True).start()
    status = ship(config, shipper)
    return int(any(each.lag_records for each in status.sinks.values()))


def leave(code: int) -> NoReturn:
    """End the process without waiting for a sink that hangs: its pending write is planned, and will be repeated."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Ship with the config in the first line of standard input, until standard input ends."""
    config = msgspec.json.decode(sys.stdin.buffer.readline(), type=ShipperConfig)
    configure(config.logs)
    os.nice(5)  # requests have priority
    gc.set_threshold(200_000, 20, 100)  # a batch has about 100,000 live objects; shipping is 10% faster
    try:
        code = run(config, end_with_input=True)
    except CustomerRiskError as error:
        _log.error("the shipper can't work: %s", error)
        code = 2
    leave(code)


if __name__ == "__main__":
    main()
