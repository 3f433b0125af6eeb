"""The exchange of a process that scores in bulk."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.observers import LogObserver
from customer_risk.serving.record.recorder import recording
from customer_risk.serving.telemetry.logs import LogSettings, RequestLog

if TYPE_CHECKING:
    from customer_risk.serving.decisions.service import Service
    from customer_risk.serving.record.settings import RecordSettings

_log = logging.getLogger("serving")


def bulk_exchange(service: Service, record: RecordSettings, logs: LogSettings) -> Exchange:
    """Return an exchange that records, and logs the service's failures; successful rows aren't logged."""
    log = RequestLog(msgspec.structs.replace(logs, success_share=0))
    make = recording(record, lambda: _log.error("a decision wasn't recorded"))
    exchange = Exchange(service, record=make, observers=(LogObserver(log),))
    exchange.open()
    return exchange
