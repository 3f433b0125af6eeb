"""Documents as the Storage Write API takes them: messages of a type that is made from the table's columns.

The message's type knows what must be given and what there is, so that making one is the check of a document.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import EncodeError
from google.protobuf.message_factory import GetMessageClass

from customer_risk.serving.contract.columns import Column
from customer_risk.serving.record.sinks.bigquery.schema import COLUMNS

REQUEST_BYTES: Final = 1_000_000  # of rows in a request, as a rule: its answer comes well within the patience for it
MOST_BYTES: Final = 9_000_000  # of rows in a request, which may have 10 MB with all that is around them
_FRAME_BYTES: Final = 8  # around each row
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LABELS: Final = {"NULLABLE": 1, "REQUIRED": 2, "REPEATED": 3}
_REPEATED: Final = [column.name for column in COLUMNS if column.mode == "REPEATED"]
_FAULTS: Final = (TypeError, ValueError, KeyError, AttributeError, EncodeError)
_TYPES: Final = {"FLOAT": 1, "INTEGER": 3, "TIMESTAMP": 3, "BOOLEAN": 8, "STRING": 9, "RECORD": 11, "BYTES": 12}


def descriptor() -> Any:
    """Make the message type's `DescriptorProto`, with every nested type inside."""
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


# By column: what is made of a document's text.
_CONVERTERS: Final[dict[str, Callable[[str], int | bytes]]] = {"TIMESTAMP": _microseconds, "BYTES": _bytes}
_CONVERTED: Final = {each.name: _CONVERTERS[each.type] for each in COLUMNS if each.type in _CONVERTERS}


class Rows:
    """Makes rows of documents; `descriptor` is what their reader needs."""

    def __init__(self) -> None:
        self.descriptor = descriptor()
        pool = DescriptorPool()
        pool.Add(FileDescriptorProto(name="record.proto", package="record", message_type=[self.descriptor]))
        self.message = GetMessageClass(pool.FindMessageTypeByName("record.Record"))

    def row(self, document: dict[str, Any]) -> bytes:
        """Make one row; raises ValueError where the table doesn't hold such a document."""
        try:
            fields = dict(document)
            model = dict(fields.pop("model"))
            fields["model_name"], fields["model_version"] = model.pop("name"), model.pop("version")
            if model:
                raise ValueError(f"model has other fields: {', '.join(map(str, model))}")
            if texts := [name for name in _REPEATED if not isinstance(fields[name], list)]:
                raise ValueError(f"not lists: {', '.join(texts)}")  # a text would be one of its letters
            for name, convert in _CONVERTED.items():
                fields[name] = convert(fields[name])
            row: bytes = self.message(**fields).SerializeToString(deterministic=True)
        except _FAULTS as error:
            raise ValueError(f"not a row of the table: {error}") from error
        if len(row) + _FRAME_BYTES > MOST_BYTES:
            raise ValueError(f"not a row of the table: {len(row)} bytes are more than one request may have")
        return row

    def rows(self, documents: Sequence[dict[str, Any]]) -> tuple[list[bytes], dict[int, str]]:
        """Make a row of each document, and say what is wrong with those that are none, by their index."""
        made, wrong = [], {}
        for index, document in enumerate(documents):
            try:
                made.append(self.row(document))
            except ValueError as error:
                wrong[index] = str(error)
        return made, wrong


def parts(rows: Sequence[bytes], most_bytes: int = MOST_BYTES) -> list[Sequence[bytes]]:
    """Part rows into requests, the same way each time."""
    made: list[Sequence[bytes]] = []
    first, size = 0, 0
    for index, row in enumerate(rows):
        size += len(row) + _FRAME_BYTES
        if size > most_bytes and index > first:
            made.append(rows[first:index])
            first, size = index, len(row) + _FRAME_BYTES
    return [*made, rows[first:]] if rows else []
