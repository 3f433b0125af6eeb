"""Documents as messages of the Storage Write API, whose type is made from the table's columns.

The type has all columns and knows which are required, so making a message checks the document.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import EncodeError
from google.protobuf.message_factory import GetMessageClass
from msgspec import to_builtins

from customer_risk.serving.contract.columns import Column
from customer_risk.serving.record.outbox.record import rows_of
from customer_risk.serving.record.sinks.batch import RecordBatch
from customer_risk.serving.record.sinks.bigquery.feature_rows import FeatureRows
from customer_risk.serving.record.sinks.bigquery.schema import COLUMNS

REQUEST_BYTES: Final = 1_000_000  # usual size of rows in a request, which is answered well within the timeout
MOST_BYTES: Final = 9_000_000  # largest size of rows in a request, which may have 10 MB in all
_FRAME_BYTES: Final = 8  # around each row
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LABELS: Final = {"NULLABLE": 1, "REQUIRED": 2, "REPEATED": 3}
_NESTED: Final = ("reasons", "warnings", "features")
_COLUMN_NAMES: Final = [each.name for each in COLUMNS]
_AFTER: Final = _COLUMN_NAMES[_COLUMN_NAMES.index("features") + 1 :]  # the columns after the features
_REPEATED: Final = [column.name for column in COLUMNS if column.mode == "REPEATED"]
_FAULTS: Final = (TypeError, ValueError, KeyError, AttributeError, EncodeError)
_TYPES: Final = {"FLOAT": 1, "INTEGER": 3, "TIMESTAMP": 3, "BOOLEAN": 8, "STRING": 9, "RECORD": 11, "BYTES": 12}


def descriptor() -> Any:
    """Return the message type's `DescriptorProto`, with its nested types."""
    return _describe(DescriptorProto(name="Record"), COLUMNS)


def _describe(made: Any, columns: Sequence[Column]) -> Any:
    for number, column in enumerate(columns, 1):
        field = made.field.add(name=column.name, number=number, label=_LABELS[column.mode], type=_TYPES[column.type])
        if column.type == "RECORD":
            field.type_name = column.name.capitalize()
            _describe(made.nested_type.add(name=field.type_name), column.fields)
    return made


def _microseconds(text: str) -> int:
    return (dt.datetime.fromisoformat(text) - _EPOCH) // dt.timedelta(microseconds=1)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


# By column: the conversion of a document's text.
_CONVERTERS: Final[dict[str, Callable[[str], int | bytes]]] = {"TIMESTAMP": _microseconds, "BYTES": _bytes}
_CONVERTED: Final = {each.name: _CONVERTERS[each.type] for each in COLUMNS if each.type in _CONVERTERS}

# The columns before the features by their names in a record; `reasons` and `warnings` are converted separately.
_ELSEWHERE: Final = {"decision_id": "record_id", "recorded_at": "at", "took_us": "took", "model_name": "model"}
_FIELDS: Final = [name for name in _COLUMN_NAMES if name not in {*_NESTED, *_AFTER}]
_fields_of: Final = attrgetter(*(_ELSEWHERE.get(name, name) for name in _FIELDS))


class Rows:
    """Makes rows of documents; `descriptor` describes them to the reader."""

    def __init__(self) -> None:
        self.descriptor = descriptor()
        pool = DescriptorPool()
        pool.Add(FileDescriptorProto(name="record.proto", package="record", message_type=[self.descriptor]))
        self.message = GetMessageClass(pool.FindMessageTypeByName("record.Record"))
        self._features = FeatureRows(self.message)

    def row(self, document: dict[str, Any]) -> bytes:
        """Return a document's row; raises ValueError if the document doesn't fit the columns."""
        try:
            fields = dict(document)
            model = dict(fields.pop("model"))
            fields["model_name"], fields["model_version"] = model.pop("name"), model.pop("version")
            if model:
                raise ValueError(f"model has other fields: {', '.join(map(str, model))}")
            if texts := [name for name in _REPEATED if not isinstance(fields[name], list)]:
                raise ValueError(f"not lists: {', '.join(texts)}")  # a text would become a list of its letters
            for name, convert in _CONVERTED.items():
                fields[name] = convert(fields[name])
            row: bytes = self.message(**fields).SerializeToString(deterministic=True)
        except _FAULTS as error:
            raise ValueError(f"not a row of the table: {error}") from error
        _check_size(row)
        return row

    def rows(self, documents: Sequence[dict[str, Any]]) -> tuple[list[bytes], dict[int, str]]:
        """Return the rows of all valid documents, and why the others are invalid, by their index."""
        if isinstance(documents, RecordBatch):
            return self._batch(documents)
        made, wrong = [], {}
        for index, document in enumerate(documents):
            try:
                made.append(self.row(document))
            except ValueError as error:
                wrong[index] = str(error)
        return made, wrong

    def _batch(self, batch: RecordBatch) -> tuple[list[bytes], dict[int, str]]:
        """Return the same bytes as `row` for each record; the features are encoded without the protobuf library."""
        features = [b""] * len(batch)
        for block in batch.blocks:
            for index, part in zip(block.rows.tolist(), self._features.encode(block), strict=True):
                features[index] = part
        made, wrong = [], {}
        for index, (record, part) in enumerate(zip(batch.records, features, strict=True)):
            fields = dict(zip(_FIELDS, _fields_of(record), strict=True))
            fields["reasons"] = to_builtins(record.reasons)
            fields["warnings"] = to_builtins(record.warnings)
            try:
                before = self.message(**fields)
                after = self.message(
                    transactions=rows_of(record),
                    encoded=record.encoded,
                    history_complete=record.history_complete,
                    patterns=to_builtins(record.patterns),
                    action_rule=record.action_rule,
                    wordings=record.wordings,
                )
                row = b"".join((_partial(before), part, _partial(after)))
                _check_size(row)
            except _FAULTS as error:
                wrong[index] = f"not a row of the table: {error}"
            else:
                made.append(row)
        return made, wrong


def _partial(message: Any) -> bytes:
    """Serialize a part of a row; it lacks required fields, which the other parts have."""
    made: bytes = message.SerializePartialToString(deterministic=True)
    return made


def _check_size(row: bytes) -> None:
    if len(row) + _FRAME_BYTES > MOST_BYTES:
        raise ValueError(f"not a row of the table: {len(row)} bytes are more than the {MOST_BYTES} of a request")


def parts(rows: Sequence[bytes], most_bytes: int = MOST_BYTES) -> list[Sequence[bytes]]:
    """Divide rows into requests, the same way each time."""
    made: list[Sequence[bytes]] = []
    first, size = 0, 0
    for index, row in enumerate(rows):
        size += len(row) + _FRAME_BYTES
        if size > most_bytes and index > first:
            made.append(rows[first:index])
            first, size = index, len(row) + _FRAME_BYTES
    return [*made, rows[first:]] if rows else []
