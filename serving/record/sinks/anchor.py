"""Anchors: the ends of a sink's chains at some time, stored where those who can write to the sink can't change them.

In a log, an anchor is the label `anchor` of a line. In a store, it is an object that is written once,
`anchors/<time>-<sink>-<shipper>.json`.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from typing import Final

from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.manifest import ERASURES, Link, Readable, encode, end_of_erasures
from customer_risk.serving.record.sinks.objects import Objects

ANCHORS: Final = "anchors/"
MESSAGE: Final = "anchor"
_log = logging.getLogger("serving.record")


class Anchor(Readable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ends of chains at some time.

    at          that time, RFC 3339
    sink        kind of the sink: folder or gcs
    shipper     identity of the shipper that wrote the anchor
    heads       end of the shipper's own chain by its identity, and of the chain of erasures by `erasures/`
    """

    at: str
    sink: str
    shipper: str
    heads: dict[str, Link]


def anchor_of(objects: Objects, sink: str, shipper: str, end: Link, now: dt.datetime) -> Anchor:
    """Return the anchor of a shipper whose chain in `objects` ends at `end`; raises SinkUnavailable."""
    at = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return Anchor(at=at, sink=sink, shipper=shipper, heads={shipper: end, ERASURES: end_of_erasures(objects)})


def drop(anchor: Anchor, places: Sequence[Objects]) -> bool:
    """Write an anchor to the log and to each place, and return whether all have it; failures are logged."""
    data = encode(anchor)
    _log.info(
        "the record's chains in %s end at %s", anchor.sink, anchor.heads, extra={"labels": {MESSAGE: data.decode()}}
    )
    whole = True
    for place in places:
        try:
            place.create(f"{ANCHORS}{anchor.at}-{anchor.sink}-{anchor.shipper}.json", data)
        except SinkUnavailable as error:
            _log.error("an anchor can't be written: %s", error)
            whole = False
    return whole
