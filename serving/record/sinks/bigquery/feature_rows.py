"""Encodes features as a row's nested messages, by columns: most of a row's bytes are the same in every row."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from customer_risk.serving.record.sinks.batch import Block

# Wire types of protobuf: https://protobuf.dev/programming-guides/encoding/
_DOUBLE: Final = 1
_BYTES: Final = 2
_VALUE_BYTES: Final = 9  # the size of a value with its tag


class FeatureRows:
    """Encodes the field `features` of a row's message type, as the protobuf library does."""

    def __init__(self, row_type: Any) -> None:
        features = row_type.DESCRIPTOR.fields_by_name["features"]
        fields = features.message_type.fields_by_name
        self._tag = _varint(features.number << 3 | _BYTES)
        self._name_tag = _varint(fields["name"].number << 3 | _BYTES)
        self._value_tag = _varint(fields["value"].number << 3 | _DOUBLE)

    def encode(self, block: Block) -> list[bytes]:
        """Return the bytes of each row's features, without values that are NaN.

        The protobuf library writes the same bytes, unless a name is longer than 117 bytes: then all lengths here take
        two bytes.
        """
        names = [self._name_tag + _varint(len(text)) + text for text in (name.encode() for name in block.names)]
        width = max(len(_varint(len(name) + _VALUE_BYTES)) for name in names)
        template = b""
        lengths, values, without = [], [], []
        for name in names:
            template += self._tag
            lengths.append(range(len(template), len(template) + width))
            without.append(list(_varint(len(name), width)))
            template += _varint(len(name) + _VALUE_BYTES, width) + name + self._value_tag
            values.append(range(len(template), len(template) + 8))
            template += bytes(8)
        rows = np.tile(np.frombuffer(template, np.uint8), (len(block.values), 1))
        places = np.array(values)
        rows[:, places.ravel()] = np.ascontiguousarray(block.values, "<f8").view(np.uint8).reshape(len(rows), -1)
        row, feature = np.nonzero(np.isnan(block.values))
        rows[row[:, None], np.array(lengths)[feature]] = np.array(without, np.uint8)[feature]
        kept = np.ones(rows.shape, bool)
        kept[row[:, None], places[feature]] = False
        kept[row, places[feature, 0] - 1] = False  # the value's tag
        ends = kept.sum(axis=1).cumsum().tolist()
        data = rows[kept].tobytes()
        return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _varint(number: int, width: int = 1) -> bytes:
    """Return a number as a varint of protobuf, in at least `width` bytes."""
    made: list[int] = []
    while number > 0x7F or len(made) < width - 1:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])
