"""Proofs: one hash of a segment's records, which can still be computed after an erasure.

A record's hash is made of three hashes: of the fields that erasures keep, of the customer, and of the person's other
fields. The last two are salted, so that erased data can't be found by trying possible values. The salts come from a
random seed beside the segment, `salts/<segment's key>.json`. An erasure replaces the seed by the salts of the other
records. For a record that it blanks, it keeps only the hash of the person's fields and the salt of the customer.

The fields are hashed as an array of JSON, with the keys of objects sorted and without nulls in them. Fields that
later releases added follow as an object, without those that have their default value. The features and the encoded
customer follow as bytes; the array begins with their lengths.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np

from customer_risk.serving.contract.columns import erased_values
from customer_risk.serving.record.outbox.record import Document, Record
from customer_risk.serving.record.sinks.batch import RecordBatch, as_batch

SALTS: Final = "salts/"
_FORM: Final = "2"
# The fields that a record's hash is made of: all of KEPT and PERSONAL, and by name those of ADDED_KEPT and
# ADDED_PERSONAL that aren't the default, so that records of releases without these fields keep the hash that they had.
# Add a new field of the record to ADDED_KEPT or ADDED_PERSONAL.
KEPT: Final = (
    "version",
    "kind",
    "record_id",
    "at",
    "took",
    "route",
    "status",
    "problem",
    "source",
    "model",
    "model_version",
    "cpu",
    "segment",
    "action",
    "history_complete",
)
PERSONAL: Final = ("caller", "trace", "pointers", "probability", "reasons", "warnings")
ADDED_KEPT: Final = ("action_rule", "wordings")
ADDED_PERSONAL: Final = ("patterns",)
NUMBERS: Final = ("names", "features", "encoded")  # personal fields that are hashed as bytes
CUSTOMER: Final = "customer_id"
_BLANK: Final = erased_values(Document)
_DEFAULTS: Final = {each.name: each.default for each in msgspec.structs.fields(Record)}
_kept_of: Final = attrgetter(*KEPT)
_personal_of: Final = attrgetter(*PERSONAL)
_SEED_BYTES: Final = 32
_encode: Final = msgspec.json.Encoder(order="sorted").encode
_decode: Final = msgspec.json.Decoder(list[Any]).decode


class Salted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="salted"):
    """The salts of a record that was not erased, each 64 hexadecimal digits."""

    customer: str
    personal: str


class Blanked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="blanked"):
    """The hash and the salt that are kept of an erased record.

    customer   the salt of the customer's hash
    personal   the hash of the person's other fields, whose salt is deleted
    erasure    number of the erasure that blanked it
    """

    customer: str
    personal: str
    erasure: int


class Salts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The salts that a segment's proof is computed with.

    seed      64 hexadecimal digits; empty after an erasure
    records   what is kept of each record, in the segment's order; empty before an erasure
    """

    seed: str = ""
    records: tuple[Salted | Blanked, ...] = ()

    @classmethod
    def new(cls) -> Salts:
        """Return random salts for a segment."""
        return cls(seed=secrets.token_hex(_SEED_BYTES))

    @classmethod
    def read(cls, data: bytes) -> Salts | None:
        """Return the salts in `data`, or None if `data` is not what `encode` writes."""
        try:
            read = msgspec.json.decode(data, type=cls)
            bytes.fromhex(read.seed)
            for each in read.records:
                bytes.fromhex(each.customer + each.personal)
        except (msgspec.MsgspecError, ValueError):
            return None
        return read

    def encode(self) -> bytes:
        """Return the salts as they are stored."""
        return _encode(self)

    def of(self, place: int) -> Salted | Blanked:
        """Return the salts of the record at `place`, from 0; raises ValueError if they are missing."""
        if self.seed:
            seed, number = bytes.fromhex(self.seed), place.to_bytes(8, "big")
            return Salted(*(hashlib.sha256(seed + number + name).hexdigest() for name in (b"customer", b"personal")))
        if place >= len(self.records):
            raise ValueError(f"the salts of record {place + 1} are missing")
        return self.records[place]

    def blank(self, documents: Sequence[dict[str, Any]], places: Collection[int], erasure: int) -> Salts:
        """Return the salts that remain after the erasure with that number blanks the records at `places`.

        `documents` are the segment's before the erasure. Raises ValueError if salts are missing; raises as `as_batch`.
        """
        kept: list[Salted | Blanked] = []
        batch = as_batch(documents)
        for place, (record, features) in enumerate(zip(batch.records, _features(batch), strict=True)):
            salts = self.of(place)
            if place in places and isinstance(salts, Salted):
                personal = _personal(record, features, salts).hex()
                salts = Blanked(customer=salts.customer, personal=personal, erasure=erasure)
            kept.append(salts)
        return Salts(records=tuple(kept))


def salts_key(segment: str) -> str:
    """Return the key of a segment's salts."""
    return f"{SALTS}{segment}.json"


def prove(documents: Sequence[dict[str, Any]], salts: Salts, customers: Mapping[int, str] | None = None) -> str:
    """Return the proof of a segment's documents: a batch, or the documents that a form read back.

    `customers` has the SHA-256 of the customer's id by the number of the erasure. Raises ValueError if an
    erased record isn't blank, its erasure isn't in `customers`, or salts are missing. Raises the errors of `as_batch`.
    """
    total = hashlib.sha256()
    batch = as_batch(documents)
    for place, (record, features) in enumerate(zip(batch.records, _features(batch), strict=True)):
        of = salts.of(place)
        if isinstance(of, Salted):
            customer = _customer(customer_digest(record.customer_id), of.customer)
            personal = _personal(record, features, of)
        else:
            if any(batch[place][name] != value for name, value in _BLANK.items()):
                raise ValueError(f"record {place + 1} is marked as erased, but has data")
            if customers is None or of.erasure not in customers:
                raise ValueError(
                    f"record {place + 1} is marked as erased by an erasure that didn't replace the segment"
                )
            customer = _customer(customers[of.erasure], of.customer)
            personal = bytes.fromhex(of.personal)
        kept = hashlib.sha256(_encode((*_kept_of(record), *_added(record, ADDED_KEPT)))).digest()
        total.update(hashlib.sha256(kept + customer + personal).digest())
    return f"{_FORM}:{total.hexdigest()}"


def customer_digest(customer_id: str) -> str:
    """Return the SHA-256 of a customer's id as recorded, in 64 hexadecimal digits."""
    return hashlib.sha256(customer_id.encode()).hexdigest()


def _customer(digest: str, salt: str) -> bytes:
    return hashlib.sha256(bytes.fromhex(salt) + digest.encode()).digest()


def _personal(record: Record, features: bytes, salts: Salted) -> bytes:
    added = _added(record, ADDED_PERSONAL)
    text = _encode((len(features), len(record.encoded), *_personal_of(record), *added))
    if b":null" in text:  # a column has null where a line of JSON omits a field
        text = _encode([_without_nulls(each) for each in _decode(text)])
    return hashlib.sha256(b"".join((bytes.fromhex(salts.personal), text, features, record.encoded))).digest()


def _added(record: Record, names: Sequence[str]) -> tuple[Any, ...]:
    """Return a record's values of fields by name, without defaults; () if all values are defaults."""
    values = {name: value for name in names if (value := getattr(record, name)) != _DEFAULTS[name]}
    return (values,) if values else ()


def _without_nulls(field: Any) -> Any:
    if isinstance(field, dict):
        return {name: _without_nulls(each) for name, each in field.items()}
    if not isinstance(field, list):
        return field
    return [
        {key: value for key, value in each.items() if value is not None} if isinstance(each, dict) else each
        for each in field
    ]


def _features(batch: RecordBatch) -> list[bytes]:
    """Return the SHA-256 of the features' names, then their values, for each record; empty without features."""
    made = [b""] * len(batch)
    for block in batch.blocks:
        names = hashlib.sha256(_encode(block.names)).digest()
        values = np.where(np.isfinite(block.values), block.values, np.nan)  # columns don't hold infinity
        for row, each in zip(block.rows.tolist(), values.astype("<f8"), strict=True):
            made[row] = names + each.tobytes()
    return made
