"""Writes anchors at an interval: the ends of a shipper's chains, to the log and to stores other than the sinks."""

from __future__ import annotations

import datetime as dt
import logging
import sqlite3
import threading
from typing import Final

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.record.shipper.progress import Progress
from customer_risk.serving.record.shipper.settings import ANCHORS, ShipperConfig
from customer_risk.serving.record.sinks.anchor import anchor_of, drop
from customer_risk.serving.record.sinks.factory import open_objects
from customer_risk.serving.record.sinks.manifest import Link
from customer_risk.serving.record.sinks.objects import Objects
from customer_risk.serving.record.sinks.settings import ObjectsSettings

_log = logging.getLogger("serving.record")
_FAILURES: Final = (CustomerRiskError, OSError, sqlite3.Error, ValueError)


class Anchoring:
    """Writes anchors of the chains' ends in a shipper's `progress`; used by one thread at a time."""

    def __init__(self, config: ShipperConfig, progress: Progress) -> None:
        self._seconds = config.ship.anchor_seconds
        self._progress = progress
        self._sinks: dict[str, Objects] = {
            str(each.__struct_config__.tag): open_objects(each)
            for each in config.ship.sinks
            if isinstance(each, ObjectsSettings)
        }
        self._places = [open_objects(each, ANCHORS) for each in config.ship.anchors]
        self._written: dict[str, bytes] = {}

    def run(self, stopping: threading.Event) -> None:
        """Write anchors at once, then every `anchor_seconds`, until `stopping` is set."""
        self.write()
        while not stopping.wait(self._seconds):
            self.write()

    def write(self) -> None:
        """Write an anchor for each sink whose chain has grown; log failures, and try again the next time."""
        if not self._seconds:
            return
        for sink, objects in self._sinks.items():
            try:
                place = self._progress.place(sink)
                if place and place != self._written.get(sink):
                    now = dt.datetime.now(dt.UTC)
                    anchor = anchor_of(objects, sink, self._progress.shipper, Link.read(place), now)
                    if drop(anchor, self._places):
                        self._written[sink] = place
            except _FAILURES as error:
                _log.warning("the anchor of the chains in %s can't be written: %s; it is tried again", sink, error)

    def close(self) -> None:
        """Close the connections to all stores."""
        for each in (*self._sinks.values(), *self._places):
            each.close()
