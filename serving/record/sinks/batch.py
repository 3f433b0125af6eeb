"""Batches of records, which sinks write without making a dictionary for each record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, overload

import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from customer_risk.serving.contract.answer import ModelName
from customer_risk.serving.record.outbox.record import ADDED, Document, Record, document, from_document, rows_of

_AT, _MODEL, _NAMES = map(Record.__struct_fields__.index, ("at", "model", "names"))
_NULLABLE: Final = ("reasons", "patterns")  # structs with fields that may be missing
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Block:
    """The features of those records of a batch that have the same feature names.

    names   names of the features, in order
    rows    int64[n]: positions of the records in the batch
    values  float64[n, feature]: NaN where missing
    """

    names: tuple[str, ...]
    rows: NDArray[np.int64]
    values: NDArray[np.float64]


class RecordBatch(Sequence[dict[str, Any]]):
    """Records in order, with the names of their features by hash.

    As a sequence, it has the records' documents; each document is made on access. Raises ValueError if a record's
    features and names differ in number. The caller must check that times are valid.
    """

    def __init__(self, records: Sequence[Record], names: Mapping[str, tuple[str, ...]]) -> None:
        self.records = tuple(records)
        self.names = names
        if wrong := [each for each in self.records if len(each.features) != 8 * len(names[each.names])]:
            raise ValueError(f"a record has {len(wrong[0].features)} bytes for {len(names[wrong[0].names])} features")

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> RecordBatch: ...
    def __getitem__(self, place: int | slice) -> dict[str, Any] | RecordBatch:
        if isinstance(place, slice):
            return RecordBatch(self.records[place], self.names)
        record = self.records[place]
        return document(record, self.names[record.names])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecordBatch) and self.records == other.records

    __hash__ = None  # type: ignore[assignment]  # batches are compared, but not used as keys

    def at(self, places: Sequence[int]) -> RecordBatch:
        """Return the records at `places`, in order; this batch itself if these are all its records."""
        if len(places) == len(self.records):
            return self
        return RecordBatch([self.records[place] for place in places], self.names)

    @cached_property
    def times(self) -> list[str]:
        """The time of each record, RFC 3339."""
        moments = np.array([each.at for each in self.records], "datetime64[us]")
        return [f"{text}Z" for text in np.datetime_as_string(moments).tolist()]

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The features, in one block for each tuple of names; records without features are in no block."""
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, record in enumerate(self.records):
            if self.names[record.names]:
                rows[record.names].append(row)
        return tuple(
            Block(
                self.names[names_hash],
                np.array(found, np.int64),
                np.frombuffer(b"".join([self.records[row].features for row in found]), "<f8").reshape(len(found), -1),
            )
            for names_hash, found in rows.items()
        )

    def without_numbers(self) -> list[Document]:
        """Return the documents without their features and encoded customers."""
        return [self._document(place, (), b"") for place in range(len(self))]

    def with_json_features(self) -> list[Document]:
        """Return the documents with their features as raw JSON; only an encoder of JSON can write them."""
        texts = [msgspec.Raw(b"[]")] * len(self)
        for block in self.blocks:
            parts = _around(block.names)
            for row, values in zip(block.rows.tolist(), block.values.tolist(), strict=True):
                parts[1::2] = _encode(values)[1:-1].split(b",")
                texts[row] = msgspec.Raw(b"".join(parts))
        return [self._document(place, text, self.records[place].encoded) for place, text in enumerate(texts)]

    def _document(self, place: int, features: Any, encoded: bytes) -> Document:
        record = self.records[place]
        fields: list[Any] = [*astuple(record)]  # in the order of a document's fields; the next lines replace the others
        fields[_NAMES : _NAMES + 3] = features, rows_of(record), encoded
        fields[_MODEL : _MODEL + 2] = [ModelName(record.model, record.model_version)]
        fields[_AT] = self.times[place]
        return Document(*fields)


def as_batch(documents: Sequence[dict[str, Any]]) -> RecordBatch:
    """Return documents that a form read back as a batch; return a batch unchanged.

    Raises ValueError or KeyError if a document differs from the document of a record. A field of a reason or a pattern
    that is None counts as missing, because columns can't distinguish the two. Fields that earlier releases didn't write
    may be missing.
    """
    if isinstance(documents, RecordBatch):
        return documents
    records: list[Record] = []
    names: dict[str, tuple[str, ...]] = {}
    for place, each in enumerate(documents, 1):
        read = ADDED | each
        for name in _NULLABLE:
            structs = msgspec.convert(read[name], list[dict[str, Any]])
            read[name] = [{k: v for k, v in struct.items() if v is not None} for struct in structs]
        try:
            record, of = from_document(read)
        except OverflowError as error:  # a time that isn't within the years 1 to 9999 in UTC
            raise ValueError(f"record {place} isn't in the form of stored records: {error}") from error
        if document(record, of) != read:
            raise ValueError(f"record {place} isn't in the form of stored records")
        records.append(record)
        names[record.names] = of
    return RecordBatch(records, names)


def _around(names: Sequence[str]) -> list[bytes]:
    """Return the JSON of features in parts; the parts at 1, 3, 5 and so on are empty, for the values."""
    before = [b'},{"name":%b,"value":' % _encode(name) for name in names]
    before[0] = b"[" + before[0].removeprefix(b"},")
    parts = [b""] * (2 * len(names) + 1)
    parts[:-1:2], parts[-1] = before, b"}]"
    return parts
