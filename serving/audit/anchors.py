"""Reads anchors: the ends of chains, as shippers wrote them outside of the sinks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.model.files import read_file
from customer_risk.serving.audit.records import place_at
from customer_risk.serving.record.sinks.anchor import ANCHORS, MESSAGE, Anchor
from customer_risk.serving.record.sinks.objects import fetch
from customer_risk.serving.record.sinks.verification import Head

_GCS: Final = "gs://"
_LABELS: Final = ("labels", "logging.googleapis.com/labels")


class AnchoredEnd(NamedTuple):
    """A chain's end as an anchor has it, and the kind of sink that the chain is in."""

    sink: str
    head: Head


def read_anchors(where: str) -> list[AnchoredEnd]:
    """Return the anchors in a folder, a bucket or a file of log lines in JSON (the shipper's own, or exported).

    Raises ConfigError if there are no anchors or one isn't valid; SinkUnavailable.
    """
    file = Path(where)
    found = list(_from_lines(file) if not where.startswith(_GCS) and file.is_file() else _from_objects(where))
    if not found:
        raise ConfigError(
            f"There are no anchors in {where}.",
            remedy="Give a location of record.ship.anchors, or a file with the shipper's log, with --anchor.",
        )
    return [
        AnchoredEnd(each.sink, Head(chain, link, f"{each.at} in {key}"))
        for key, each in found
        for chain, link in each.heads.items()
    ]


def _from_objects(where: str) -> Iterator[tuple[str, Anchor]]:
    place = place_at(where)
    for key, data in fetch(place.objects, place.objects.list(ANCHORS)):
        anchor = Anchor.read(data or b"")
        if anchor is None:
            raise ConfigError(f"{key} in {where} is not a valid anchor.", remedy="Find out who altered it.")
        yield key, anchor


def _from_lines(file: Path) -> Iterator[tuple[str, Anchor]]:
    text = read_file(file)
    try:
        whole = msgspec.json.decode(text)
    except msgspec.DecodeError:
        whole = None
    # `gcloud logging read --format=json` prints one list; the shipper's log has an object a line, between other lines.
    entries = whole if isinstance(whole, list) else [_decoded(line) for line in text.splitlines()]
    for entry in entries:
        labels = _labels(entry)
        if labels is not None:
            anchor = Anchor.read(labels.encode())
            if anchor is None:
                raise ConfigError(f"A line of {file} is not a valid anchor.", remedy="Find out who altered it.")
            yield file.name, anchor


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None


def _labels(entry: Any) -> str | None:
    """Return the text of the anchor in a log entry, or None if the entry has no anchor."""
    if not isinstance(entry, dict):
        return None
    payload = entry.get("jsonPayload")
    for part in (entry, payload if isinstance(payload, dict) else {}):
        for name in _LABELS:
            labels = part.get(name)
            if isinstance(labels, dict) and isinstance(labels.get(MESSAGE), str):
                return str(labels[MESSAGE])
    return None
