"""The sink that writes segments of the record as objects, with a chain of manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from customer_risk.serving.record.sinks.interface import RecordRefused, Segment, SinkUnavailable
from customer_risk.serving.record.sinks.manifest import Link, Manifest, digest, encode, end_of, manifest_key
from customer_risk.serving.record.sinks.objects import Objects
from customer_risk.serving.record.sinks.proof import Salts, prove, salts_key
from customer_risk.serving.record.sinks.recovery import KeptFile, Recovered, recover

_Written = tuple[str, bytes, Sequence[dict[str, Any]], Salts]


class ObjectSink:
    """Writes a segment's salts, the segment, then the manifest that names it; each is an object that is written once.

    `encode` must return the same bytes for the same documents, and raise ValueError for those that it can't write.
    `shipper` names the chain of manifests: one shipper writes at a time. The place is the chain's end.

    With `decode`, a segment that another process wrote without its manifest is kept and gets a manifest, even if this
    release or processor would write other bytes for its records.
    """

    def __init__(
        self,
        name: str,
        objects: Objects,
        encode: Callable[[Sequence[dict[str, Any]]], bytes],
        suffix: str,
        shipper: str,
        decode: Callable[[bytes], list[dict[str, Any]]] | None = None,
    ) -> None:
        self.name = name
        self._objects = objects
        self._encode = encode
        self._suffix = suffix
        self._shipper = shipper
        self._decode = decode
        self._place = b""
        self._first = True

    def check(self) -> None:
        """Raise ConfigError if objects can't be written."""
        self._objects.check()

    def place(self) -> bytes:
        """Return the chain's end: the number of the next manifest and the hash of the last."""
        if not self._place:
            self._place = encode(end_of(self._objects, self._shipper))
        return self._place

    def write(self, segment: Segment, place: bytes) -> bytes:
        """Write a segment, then its manifest; return the chain's end after it. Raises RecordRefused, SinkUnavailable.

        If the manifest exists, nothing is written: its segment was written before, and may have been erased since.
        """
        if not segment.documents:
            return place
        link, stem = Link.read(place), _stem(segment)
        kept = self._objects.get(manifest_key(self._shipper, link.n))
        if kept is None:
            key, data, documents, salts = self._left(segment, stem) or self._write(segment, stem)
            kept = encode(
                Manifest(
                    n=link.n,
                    previous=link.previous,
                    key=key,
                    sha256=digest(data),
                    size=len(data),
                    records=len(documents),
                    first_at=segment.documents[0]["recorded_at"],
                    last_at=segment.documents[-1]["recorded_at"],
                    proof=prove(documents, salts),
                )
            )
            self._once(manifest_key(self._shipper, link.n), kept)
        else:
            self._recognize(kept, link, stem)
        self._place = encode(Link(link.n + 1, digest(kept)))
        self._first = False
        return self._place

    def recover(self, files: Iterable[KeptFile]) -> Recovered:
        """Return which of an outbox's records are stored, and continue the chain that names them.

        Raises SinkUnavailable.
        """
        found = recover(self._objects, files, self._shipper)
        self._shipper = found.shipper or self._shipper
        return found

    def close(self) -> None:
        """Close the connections."""
        self._objects.close()

    def _write(self, segment: Segment, stem: str) -> _Written:
        """Write a segment's salts and its object; return its key, its bytes, its documents and its salts."""
        data = self._bytes(segment)
        key = f"{stem}{digest(data)[:16]}{self._suffix}"
        salts = self._salts(key)
        self._once(key, data)
        return key, data, segment.documents, salts

    def _left(self, segment: Segment, stem: str) -> _Written | None:
        """Return, as `_write` does, the segment that an ended process wrote without its manifest, or None.

        Only the first write of this process looks for it.
        """
        if not self._first or self._decode is None:
            return None
        places = {each["decision_id"]: place for place, each in enumerate(segment.documents)}
        for key in self._objects.list(stem):
            data = self._objects.get(key) or b""
            if not key.endswith(self._suffix) or digest(data)[:16] != key.removeprefix(stem).partition(".")[0]:
                continue  # the object was altered: writing the segment raises
            found = [each["decision_id"] for each in self._decode(data)]
            if places.keys() >= set(found):
                return key, data, [segment.documents[places[each]] for each in found], self._salts(key)
        return None

    def _bytes(self, segment: Segment) -> bytes:
        try:
            return self._encode(segment.documents)
        except ValueError:
            refused = {}
            for number, document in zip(segment.numbers, segment.documents, strict=True):
                try:
                    self._encode([document])
                except ValueError as error:
                    refused[number] = str(error)
            if not refused:
                raise
            raise RecordRefused(refused) from None

    def _salts(self, key: str) -> Salts:
        """Create a segment's salts, or return those of an earlier attempt."""
        salts, salts_at = Salts.new(), salts_key(key)
        if self._objects.create(salts_at, salts.encode()):
            return salts
        kept = Salts.read(self._objects.get(salts_at) or b"")
        if kept is None or not kept.seed:
            raise _forked(salts_at)
        return kept

    def _once(self, key: str, data: bytes) -> None:
        """Write an object, or check that an existing one is the same."""
        if not self._objects.create(key, data) and self._objects.get(key) != data:
            raise _forked(key)

    def _recognize(self, kept: bytes, link: Link, stem: str) -> None:
        manifest = Manifest.read(kept)
        if manifest is None or manifest.previous != link.previous or not manifest.key.startswith(stem):
            raise _forked(manifest_key(self._shipper, link.n))


def _stem(segment: Segment) -> str:
    """Return a segment's key up to the hash of its bytes; by the hour of its first record, UTC."""
    at = segment.documents[0]["recorded_at"]
    return f"dt={at[:10]}/hour={at[11:13]}/{segment.source}-{segment.first}-{segment.last}-"


def _forked(key: str) -> SinkUnavailable:
    return SinkUnavailable(
        f"{key} has other content than this shipper writes: it was altered, or two shippers share one identity.",
        remedy="Verify the record; nothing is overwritten.",
    )
