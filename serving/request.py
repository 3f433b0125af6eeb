"""A request read: decoded in one pass where it is sound, looked at field by field where it isn't."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from model.errors import InputError
from model.scoring.scorer import Warned
from serving.caveats import by_column, find_caveats, unknown_fields
from serving.errors import MalformedBody
from serving.faults import find_faults
from serving.wire import Columns, Profile, RiskRequest, Transaction, decode_hook

_DROPPED = {"gender", "user_id", "session_id"}  # taken so that a whole row can be sent; no decision may rest on them
_PROFILE = tuple(name for name in Profile.__struct_fields__ if name not in _DROPPED)


@dataclass(frozen=True, slots=True)
class Read:
    """A sound request, its transactions as rows, and what its reading found worth a warning (pointers by row)."""

    request: RiskRequest
    rows: Sequence[Transaction]
    warnings: tuple[Warned, ...]

    def profile(self) -> dict[str, object]:
        """Give the profile as plain values."""
        return {name: getattr(self.request.profile, name) for name in _PROFILE}

    def transactions(self) -> list[dict[str, object]]:
        """Give the transactions as plain values; times are microseconds since 1970."""
        return [_plain(row) for row in self.rows]

    def features(self) -> dict[str, float | None] | None:
        """Give the features, or None where the request holds a profile and transactions."""
        return None if self.request.features is UNSET else self.request.features

    def as_sent(self, warnings: Sequence[Warned]) -> tuple[Warned, ...]:
        """Point warnings at the transactions as they were sent: by row, or by column."""
        columns = isinstance(self.request.transactions, Columns)
        return tuple(by_column(each) for each in warnings) if columns else tuple(warnings)


class Reader:
    """Reads requests for a model that wants the features `wanted`, of the `known` ones."""

    def __init__(self, *, known: Collection[str], wanted: Collection[str]) -> None:
        self._known = frozenset(known)
        self._wanted = tuple(wanted)
        self._decoder = msgspec.json.Decoder(RiskRequest, dec_hook=decode_hook)

    def read(self, body: bytes, *, now: float) -> Read:
        """Read a body; `now` is in seconds since 1970. Raises MalformedBody, or InputError naming every bad field."""
        try:
            request = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._slowly(_loads(body, error), now=now)
        return self._read(request, now) if self._whole(request) else self._slowly(_loads(body), now=now)

    def read_document(self, document: object, *, now: float, at: str) -> Read:
        """Read a request that is decoded already, one of several; `at` points at it. Raises InputError."""
        try:
            request = msgspec.convert(document, RiskRequest, dec_hook=decode_hook)
        except (msgspec.ValidationError, RecursionError):
            return self._slowly(document, now=now, at=at)
        return self._read(request, now) if self._whole(request) else self._slowly(document, now=now, at=at)

    def _read(self, request: RiskRequest, now: float, unknown: Sequence[str] = ()) -> Read:
        sent = request.transactions
        rows = [] if sent is UNSET else sent.rows() if isinstance(sent, Columns) else sent
        return Read(request, rows, (*unknown_fields(unknown), *find_caveats(request, rows, now=now)))

    def _whole(self, request: RiskRequest) -> bool:
        """Check what types can't say."""
        given, sent = request.features, request.transactions
        if given is not UNSET:
            apart = request.profile is UNSET and sent is UNSET
            return apart and self._known.issuperset(given) and all(name in given for name in self._wanted)
        if request.profile is UNSET or sent is UNSET:
            return False
        return not isinstance(sent, Columns) or len(set(sent.lengths().values())) == 1

    def _slowly(self, document: object, *, now: float, at: str = "") -> Read:
        faults, cleaned = find_faults(document, known=self._known, wanted=self._wanted, at=at)
        if faults.bad:
            raise InputError(tuple(faults.bad))
        # Only unknown fields stood in the way; without them the fast pass, which defines what is sound, must agree.
        try:
            request = self._decoder.decode(json.dumps(cleaned).encode())
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise _malformed(error) from error
        return self._read(request, now, [pointer.removeprefix(at) for pointer in faults.unknown])


def _plain(row: Transaction) -> dict[str, object]:
    return {
        "id": row.id,
        "state": row.state,
        "type": row.type,
        "amount": row.amount,
        "currency": row.currency,
        "direction": row.direction,
        "created_at": int(row.created_at),
        "completed_at": None if row.completed_at is None else int(row.completed_at),
    }


def _loads(body: bytes, cause: Exception | None = None) -> object:
    """Decode a body that the typed decoder refused, NaN and Infinity included, so that they can be pointed at."""
    try:
        document = json.loads(body.decode())  # as text: bytes would pass in UTF-16 as well
        json.dumps(document, ensure_ascii=False).encode()  # halves of characters, which no text may hold, end here
    except (ValueError, RecursionError) as error:
        raise _malformed(cause or error) from error
    return document


def _malformed(error: Exception) -> MalformedBody:
    return MalformedBody(f"The body isn't JSON: {error}.", remedy="Send one JSON object in UTF-8.")
