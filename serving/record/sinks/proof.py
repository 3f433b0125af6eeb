"""Proofs of records: one hash of a segment's records that can still be computed after an erasure.

A record's hash is made of three hashes: of the fields that erasures keep, of the customer, and of the person's other
fields. The last two are salted, so that erased data can't be found by trying values. The salts come from a random seed
beside the segment, `salts/<segment's key>.json`. An erasure replaces the seed by the salts of the records that stay. Of
a record that it blanks, it keeps only the hash of the person's fields and the salt of the customer.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from customer_risk.serving.contract.columns import erased_values
from customer_risk.serving.record.outbox.record import Document

SALTS: Final = "salts/"
# Version of the fields below, the prefix of each proof. A new field of the record needs another version.
_FORM: Final = "1"
KEPT: Final = (
    "version",
    "kind",
    "decision_id",
    "recorded_at",
    "took_us",
    "route",
    "status",
    "problem",
    "source",
    "model",
    "cpu",
    "segment",
    "action",
    "history_complete",
)
PERSONAL: Final = (
    "caller",
    "trace",
    "pointers",
    "probability",
    "reasons",
    "warnings",
    "features",
    "transactions",
    "encoded",
)
CUSTOMER: Final = "customer_id"
_BLANK: Final = erased_values(Document)
_SEED_BYTES: Final = 32
_encode: Final = msgspec.json.Encoder(order="sorted").encode


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

    def blank(self, documents: Sequence[Mapping[str, Any]], places: Collection[int], erasure: int) -> Salts:
        """Return the salts that remain after the erasure with a number blanks the records at `places`.

        `documents` are the segment's documents before the erasure. Raises ValueError if salts are missing.
        """
        kept: list[Salted | Blanked] = []
        for place, document in enumerate(documents):
            salts = self.of(place)
            if place in places and isinstance(salts, Salted):
                personal = _personal(document, salts).hex()
                salts = Blanked(customer=salts.customer, personal=personal, erasure=erasure)
            kept.append(salts)
        return Salts(records=tuple(kept))


def salts_key(segment: str) -> str:
    """Return the key of a segment's salts."""
    return f"{SALTS}{segment}.json"


def prove(documents: Iterable[Mapping[str, Any]], salts: Salts, customers: Mapping[int, str] | None = None) -> str:
    """Return the proof of a segment's documents, which must be as they are read back from the segment.

    `customers` has the SHA-256 of the customer's id by the number of the erasure. Raises ValueError if an erased record
    isn't blank, if its erasure isn't in `customers`, or if salts are missing.
    """
    total = hashlib.sha256()
    for place, document in enumerate(documents):
        of = salts.of(place)
        if isinstance(of, Salted):
            customer = _customer(customer_digest(document[CUSTOMER]), of.customer)
            personal = _personal(document, of)
        else:
            if any(document[name] != value for name, value in _BLANK.items()):
                raise ValueError(f"record {place + 1} is marked as erased, but has data")
            if customers is None or of.erasure not in customers:
                raise ValueError(
                    f"record {place + 1} is marked as erased by an erasure that didn't replace the segment"
                )
            customer = _customer(customers[of.erasure], of.customer)
            personal = bytes.fromhex(of.personal)
        kept = hashlib.sha256(_encode({name: document[name] for name in KEPT})).digest()
        total.update(hashlib.sha256(kept + customer + personal).digest())
    return f"{_FORM}:{total.hexdigest()}"


def customer_digest(customer_id: str) -> str:
    """Return the SHA-256 of a customer's id as recorded, in 64 hexadecimal digits."""
    return hashlib.sha256(customer_id.encode()).hexdigest()


def _customer(digest: str, salt: str) -> bytes:
    return hashlib.sha256(bytes.fromhex(salt) + digest.encode()).digest()


def _personal(document: Mapping[str, Any], salts: Salted) -> bytes:
    fields = {name: document[name] for name in PERSONAL}
    for name in ("reasons", "warnings"):  # a column has null for a field that a line of JSON leaves out
        fields[name] = [{key: value for key, value in each.items() if value is not None} for each in fields[name]]
    return hashlib.sha256(bytes.fromhex(salts.personal) + _encode(fields)).digest()
