"""The record of a decision: the input that its features were computed from, and the answer."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import UNSET
from msgspec.structs import astuple
from numpy.typing import NDArray

from customer_risk.model.features.encoded import Encoded
from customer_risk.model.features.input_warning import InputWarning
from customer_risk.model.features.vocabulary import PROFILE
from customer_risk.model.scoring.reasons import Reason
from customer_risk.serving.contract.answer import ModelName, WirePattern, WireReason
from customer_risk.serving.contract.columns import column
from customer_risk.serving.record.outbox import compact

if TYPE_CHECKING:
    from customer_risk.serving.contract.answer import Answer

VERSION: Final = 1  # version of the fields of `Record` and `Document`
ERASED: Final = "erased"  # the customer_id of records whose person was erased
Kind = Literal["decision", "refusal"]
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_WIDE: Final = ("created", "completed", "amount")  # eight bytes each, after the ids' four
_NARROW: Final = ("state", "type", "direction")


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One decision, or one request refused for its input; add new fields at the end, with a default.

    version           of these fields
    record_id         the decision's id; in a refusal, an id of its own
    at                microseconds since 1970
    took              microseconds from the complete body to the decision; -1 if unknown
    route, caller     path of the request, and the caller that the token names
    trace             of the caller, 32 hexadecimal digits or empty
    customer_id       as given or as a keyed hash; empty in a refusal
    status, problem   of the answer; stable name of the refusal's kind
    pointers          JSON pointers to a refusal's bad fields: names, never values
    source            model or rules; empty in a refusal
    model_version     the bundle's hash, or the rules'
    cpu               family of the processor that answered: others may differ in the last bits
    names             hash of the features' names, in order; empty without features
    features          float64 of each, little-endian, NaN where missing
    encoded           the customer as the kernel read it (`pack`); empty if features were given
    patterns          found in the transactions; also empty if no pattern can be seen: features were given, rules
                      answered, or the action rule has no patterns
    action_rule       version of the rule that led to the action (`model.scoring.action_rule`)
    wordings          version of the texts of reasons and patterns
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
    patterns: tuple[WirePattern, ...] = ()
    action_rule: int = 1
    wordings: int = 1


class FeatureValue(msgspec.Struct, frozen=True):
    """A feature of the model's input."""

    name: str
    value: Annotated[float | None, column("Null if it is missing")]


class Document(msgspec.Struct, frozen=True):
    """A record as sinks store it and readers get it; its fields are in the order of `Record`.

    Sinks make their columns from these fields. An erasure blanks the person's fields, and keeps the decision's: its id
    and time, segment, action and model. Add new fields at the end, with a default.
    """

    version: Annotated[int, column("Version of the record's form", duckdb="INTEGER")]
    kind: Annotated[Kind, column("decision or refusal")]
    decision_id: Annotated[str, column("UUIDv7; refusals have one too")]
    recorded_at: Annotated[str, column("Time of the decision or refusal", stored="TIMESTAMP")]
    took_us: Annotated[int, column("Microseconds from the complete body to the decision; -1 if unknown")]
    route: Annotated[str, column("Path of the request without identifiers, or method of gRPC")]
    caller: Annotated[str, column("Name of the client, from its token", erased="")]
    trace: Annotated[str, column("32 hexadecimal digits, or empty", erased="")]
    customer_id: Annotated[str, column("As in the request, or as a keyed hash; empty in a refusal", erased=ERASED)]
    status: Annotated[int, column("HTTP status of the answer", duckdb="INTEGER")]
    problem: Annotated[str, column("Stable name of the reason for a refusal")]
    pointers: Annotated[tuple[str, ...], column("JSON pointers to the invalid fields of a refusal", erased=[])]
    source: Annotated[str, column("model or rules; empty in a refusal")]
    model: ModelName
    cpu: Annotated[str, column("CPU family of the machine that answered")]
    probability: Annotated[float | None, column("Null if rules answered", erased=None)]
    segment: str
    action: Annotated[str, column("Proposed action")]
    reasons: Annotated[tuple[WireReason, ...], column("The strongest first", erased=[])]
    warnings: Annotated[
        tuple[InputWarning, ...],
        column(
            "Input that may be a mistake",
            fields={"code": "Stable name of the warning", "pointer": "JSON pointer into the request"},
            erased=[],
        ),
    ]
    features: Annotated[Sequence[FeatureValue], column("All inputs of the model, in its order", erased=[])]
    transactions: Annotated[int, column("Number of transactions that the decision used", duckdb="INTEGER", erased=0)]
    encoded: Annotated[
        bytes,
        column(
            "Profile and transactions as the features were computed from them; empty if features were given", erased=""
        ),
    ]
    history_complete: Annotated[bool, column("Whether the request had all transactions, as it states")]
    patterns: Annotated[tuple[WirePattern, ...], column("Patterns found in the transactions", erased=[])] = ()
    action_rule: Annotated[
        int, column("Version of the rule that led to the action; null means 1", duckdb="INTEGER", added=True)
    ] = 1
    wordings: Annotated[
        int, column("Version of the texts of reasons and patterns; null means 1", duckdb="INTEGER", added=True)
    ] = 1


# Fields that documents of earlier releases lack, with the values that these releases meant.
ADDED: Final[dict[str, Any]] = {"patterns": [], "action_rule": 1, "wordings": 1}
# Fields with the same name and type in `Record` and `Document`.
_AS_THEY_ARE: Final = tuple(
    name
    for name in Document.__struct_fields__
    if name in Record.__struct_fields__ and name not in {"model", "features"}
)
_FORM: Final = 2  # form of the bytes: the array's first element, which is VERSION (1) in form 1
_FORM_AT: Final = 3  # after the array's header, which takes three bytes if there are 16 elements or more


class _Whole(WireReason, frozen=True, array_like=True):
    """A reason without its fields' names; a reason that lacks a field is written in another form."""


def _body_fields() -> Iterator[tuple[str, Any] | tuple[str, Any, Any]]:
    """Yield the fields of `Record` as `encode` writes them, with types and defaults.

    `compact` packs the features and the customer into a third of their size in `Record`.
    """
    for each in msgspec.structs.fields(Record):
        match each.name:
            case "reasons":
                yield each.name, tuple[_Whole, ...]
            case "features":
                yield "numbers", bytes
            case "encoded":
                pass
            case "history_complete":
                yield each.name, each.type
                yield "partial", tuple[WireReason, ...], ()  # instead of `reasons`, if a reason lacks a field
            case _ if each.default is msgspec.NODEFAULT:
                yield each.name, each.type
            case _:
                yield each.name, each.type, each.default


_Body: Final[Any] = msgspec.defstruct("_Body", list(_body_fields()), frozen=True, array_like=True, tag=_FORM)
# The fields that have the same name, type and place in both forms.
_BEFORE_REASONS: Final = _Body.__struct_fields__[: _Body.__struct_fields__.index("reasons")]
_before_reasons: Final = attrgetter(*_BEFORE_REASONS)
_write: Final = msgspec.msgpack.Encoder().encode
_read_1: Final = msgspec.msgpack.Decoder(Record).decode
_read_2: Final = msgspec.msgpack.Decoder(_Body).decode


def encode(record: Record) -> bytes:
    """Return a record as bytes for the outbox; raises ValueError if its features aren't 64-bit numbers."""
    values = values_of(record)
    try:
        customer = unpack(record.encoded) if record.encoded else None
    except ValueError:  # written by an install whose profiles have other columns
        numbers = compact.pack_as_it_is(values, record.encoded)
    else:
        numbers = compact.pack(values, customer)
    return _write(
        (
            _FORM,
            *_before_reasons(record),
            *_last_fields(record.reasons, record.warnings, record.names, numbers, record.history_complete),
            record.patterns,
            record.action_rule,
            record.wordings,
        )
    )


def encode_decision(
    answer: Answer, *, customer_id: str, caller: str, route: str, trace: str, took: int, cpu: str, names: str
) -> bytes:
    """Return the bytes that `encode` makes of a decision's record, without making a `Record`."""
    basis, decision = answer.basis, answer.decision
    return _write(
        (
            _FORM,
            VERSION,
            "decision",
            answer.decision_id,
            answer.at,
            took,
            route,
            caller,
            trace,
            customer_id,
            200,
            "",
            (),
            answer.source,
            answer.model.name,
            answer.model.version,
            cpu,
            decision.probability,
            decision.segment,
            decision.action,
            *_last_fields(
                decision.reasons,
                answer.warnings,
                names,
                compact.pack_briefly(basis.values, basis.encoded),
                basis.history_complete,
            ),
            decision.patterns or (),
            basis.action_rule,
            basis.wordings,
        )
    )


def decode(body: bytes) -> Record:
    """Return the record that `encode` or an earlier release wrote; raises msgspec.DecodeError for other bytes."""
    if body[_FORM_AT : _FORM_AT + 1] != bytes((_FORM,)):
        return _read_1(body)
    read = _read_2(body)
    reasons = read.partial or tuple([WireReason(*astuple(reason)) for reason in read.reasons])
    numbers = compact.unpack(read.numbers)
    added = read.patterns, read.action_rule, read.wordings
    after: tuple[Any, ...] = (reasons, read.warnings, read.names, *numbers, read.history_complete, *added)
    return Record(*_before_reasons(read), *after)


def _last_fields(
    reasons: Sequence[WireReason | Reason],
    warnings: tuple[InputWarning, ...],
    names: str,
    numbers: bytes | memoryview,
    history_complete: bool,
) -> tuple[object, ...]:
    """Return the fields of `_Body` from `reasons` to `partial`."""
    whole = [astuple(reason) for reason in reasons]
    if (
        reasons and type(reasons[0]) is not Reason and any(UNSET in fields for fields in whole)
    ):  # a model's reason has all fields
        return (), warnings, names, numbers, history_complete, reasons
    return whole, warnings, names, numbers, history_complete, ()


@lru_cache(maxsize=16)
def hash_names(names: tuple[str, ...]) -> str:
    """Return the hash of features' names, in order."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def pack(encoded: Encoded) -> bytes:
    """Return one customer as bytes: the number of rows, the profile, and each column, little-endian."""
    rows = len(encoded.ids)
    parts = [rows.to_bytes(4, "little"), encoded.profile.tobytes(), encoded.ids.astype(np.int32).tobytes()]
    parts += [getattr(encoded, name).tobytes() for name in (*_WIDE, *_NARROW)]
    return b"".join(parts)


def unpack(packed: bytes) -> Encoded:
    """Return the customer that `pack` wrote; raises ValueError for other bytes."""
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
    """Return a record's features float64[f], NaN where missing."""
    return np.frombuffer(record.features, "<f8").astype(np.float64)


def rows_of(record: Record) -> int:
    """Return the number of transactions that a decision is based on; 0 if features were given."""
    return int.from_bytes(record.encoded[:4], "little")


def document(record: Record, names: Sequence[str]) -> dict[str, Any]:
    """Return a record as a `Document` of plain lists and dictionaries. `names` are those of its features."""
    made = Document(
        decision_id=record.record_id,
        recorded_at=written(record.at),
        took_us=record.took,
        model=ModelName(record.model, record.model_version),
        features=(),
        transactions=rows_of(record),
        **{name: getattr(record, name) for name in _AS_THEY_ARE},
    )
    fields = msgspec.to_builtins(made).items()
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in fields}
    plain["features"] = [  # in the form of FeatureValue; a hundred structs would increase the cost by half
        {"name": name, "value": None if math.isnan(value) else value}
        for name, value in zip(names, values_of(record).tolist(), strict=True)
    ]
    return plain


def from_document(read: Mapping[str, Any]) -> tuple[Record, tuple[str, ...]]:
    """Return the record that `document` wrote, and its features' names; raises ValueError for anything else."""
    try:
        found = msgspec.convert(read, Document)
        names = tuple(each.name for each in found.features)
        values = [math.nan if each.value is None else each.value for each in found.features]
        record = Record(
            record_id=found.decision_id,
            at=_microseconds(found.recorded_at),
            took=found.took_us,
            model=found.model.name,
            model_version=found.model.version,
            names=hash_names(names) if names else "",
            features=np.array(values, "<f8").tobytes(),
            **{name: getattr(found, name) for name in _AS_THEY_ARE},
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"not a record: {error}") from error
    return record, names


def written(at: int) -> str:
    """Return microseconds since 1970 as RFC 3339."""
    return (_EPOCH + dt.timedelta(microseconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _microseconds(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)
