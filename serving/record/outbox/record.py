"""What is kept of a decision: all that it rests on and all that was said, and nothing else of the request."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from customer_risk.model.features.encoded import Encoded
from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.features.vocabulary import PROFILE
from customer_risk.serving.contract.answer import WireReason

VERSION: Final = 1
Kind = Literal["decision", "refusal"]
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_WIDE: Final = ("created", "completed", "amount")  # eight bytes each, after the ids' four
_NARROW: Final = ("state", "type", "direction")


class Record(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One decision, or one request that was refused for its input; new fields go to the end, with a default.

    version           of this form
    record_id         the decision's id; a refusal's own
    at, took          microseconds since 1970; from the whole body to the decision, -1 where unknown
    route, caller     the way in, and whose token
    trace             of the caller, 32 hexadecimal digits or none
    customer_id       as given or as a keyed hash; none in a refusal
    status, problem   of the answer; the stable name of what was wrong
    pointers          at a refusal's bad fields: names, never values
    source            model or rules; none in a refusal
    model_version     the bundle's hash, or the rules'
    cpu               family of the processor that answered: others may differ in the last bits
    names             hash of the features' names, in order; none without features
    features          float64 of each, little-endian, NaN where missing
    encoded           the customer as the kernel took it (`pack`); none where features were given
    """

    version: int
    kind: Kind
    record_id: str
    at: int
    took: int
    route: str
    caller: str
    trace: str
    customer_id: str
    status: int
    problem: str
    pointers: tuple[str, ...]
    source: str
    model: str
    model_version: str
    cpu: str
    probability: float | None
    segment: str
    action: str
    reasons: tuple[WireReason, ...]
    warnings: tuple[InputWarning, ...]
    names: str
    features: bytes
    encoded: bytes
    history_complete: bool


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Record).decode


@lru_cache(maxsize=16)
def hash_names(names: tuple[str, ...]) -> str:
    """Hash features' names, in order."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def pack(encoded: Encoded) -> bytes:
    """Pack one customer: the number of rows, the profile, and each column, little-endian."""
    rows = len(encoded.ids)
    parts = [rows.to_bytes(4, "little"), encoded.profile.tobytes(), encoded.ids.astype(np.int32).tobytes()]
    parts += [getattr(encoded, name).tobytes() for name in (*_WIDE, *_NARROW)]
    return b"".join(parts)


def unpack(packed: bytes) -> Encoded:
    """Unpack one customer; raises ValueError where the bytes are none."""
    rows, width = int.from_bytes(packed[:4], "little"), 4 * len(PROFILE)
    if len(packed) != 4 + width + rows * (4 + 8 * len(_WIDE) + len(_NARROW)):
        raise ValueError("not a packed customer")
    at = 4 + width
    profile = np.frombuffer(packed[4:at], np.int32).reshape(1, -1).copy()
    columns: dict[str, NDArray[Any]] = {}
    kinds = {"ids": np.int32, "created": np.int64, "completed": np.int64, "amount": np.float64}
    for name in ("ids", *_WIDE, *_NARROW):
        kind = np.dtype(kinds.get(name, np.int8))
        columns[name] = np.frombuffer(packed, kind, rows, at).copy()
        at += rows * kind.itemsize
    columns["ids"] = columns["ids"].astype(np.int64)
    return Encoded(offsets=np.array([0, rows], np.int64), profile=profile, **columns)


def values_of(record: Record) -> NDArray[np.float64]:
    """Give a record's features float64[f], NaN where missing."""
    return np.frombuffer(record.features, "<f8").astype(np.float64)


def rows_of(record: Record) -> int:
    """Count the transactions that a decision rests on; 0 where features were given."""
    return int.from_bytes(record.encoded[:4], "little")


def document(record: Record, names: Sequence[str]) -> dict[str, Any]:
    """Write a record for those who read it: what every sink stores. `names` are those of its features."""
    features = [
        {"name": name, "value": None if math.isnan(value) else value}
        for name, value in zip(names, values_of(record).tolist(), strict=True)
    ]
    return {
        "version": record.version,
        "kind": record.kind,
        "decision_id": record.record_id,
        "recorded_at": written(record.at),
        "took_us": record.took,
        "route": record.route,
        "caller": record.caller,
        "trace": record.trace,
        "customer_id": record.customer_id,
        "status": record.status,
        "problem": record.problem,
        "pointers": list(record.pointers),
        "source": record.source,
        "model": {"name": record.model, "version": record.model_version},
        "cpu": record.cpu,
        "probability": record.probability,
        "segment": record.segment,
        "action": record.action,
        "reasons": [msgspec.to_builtins(reason) for reason in record.reasons],
        "warnings": [{"code": each.code, "pointer": each.pointer, "detail": each.detail} for each in record.warnings],
        "features": features,
        "transactions": rows_of(record),
        "encoded": base64.b64encode(record.encoded).decode(),
        "history_complete": record.history_complete,
    }


def from_document(read: Mapping[str, Any]) -> tuple[Record, tuple[str, ...]]:
    """Read what `document` wrote; gives the record and its features' names. Raises ValueError for anything else."""
    try:
        names = tuple(each["name"] for each in read["features"])
        values = [math.nan if each["value"] is None else each["value"] for each in read["features"]]
        record = Record(
            record_id=read["decision_id"],
            at=_microseconds(read["recorded_at"]),
            took=read["took_us"],
            pointers=tuple(read["pointers"]),
            model=read["model"]["name"],
            model_version=read["model"]["version"],
            reasons=tuple(msgspec.convert(reason, WireReason) for reason in read["reasons"]),
            warnings=tuple(InputWarning(**warned) for warned in read["warnings"]),
            names=hash_names(names) if names else "",
            features=np.array(values, "<f8").tobytes(),
            encoded=base64.b64decode(read["encoded"], validate=True),
            **{name: read[name] for name in _AS_THEY_ARE},
        )
        return msgspec.convert(msgspec.to_builtins(record), Record), names
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"not a record: {error}") from error


_AS_THEY_ARE: Final = (
    "version",
    "kind",
    "route",
    "caller",
    "trace",
    "customer_id",
    "status",
    "problem",
    "source",
    "cpu",
    "probability",
    "segment",
    "action",
    "history_complete",
)


def written(at: int) -> str:
    """Write microseconds since 1970 as RFC 3339."""
    return (_EPOCH + dt.timedelta(microseconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _microseconds(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)
