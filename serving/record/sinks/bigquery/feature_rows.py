"""Encodes features as a row's nested messages, by columns: most of a row's bytes are the same in every row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

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
        """Return the bytes of each row's features, equal to the library's; a value that is NaN is left out.

        Rows that lack the same values differ only in their other values, so they are made together.
        """
        alike: defaultdict[bytes, list[int]] = defaultdict(list)
        missing = np.isnan(block.values)
        for row, each in enumerate(missing):
            alike[each.tobytes()].append(row)
        made = [b""] * len(missing)
        for rows in alike.values():
            present = ~missing[rows[0]]
            template, places = self._template(block.names, present.tolist())
            filled = np.tile(np.frombuffer(template, np.uint8), (len(rows), 1))
            filled[:, places] = np.ascontiguousarray(block.values[rows][:, present], "<f8").view(np.uint8)
            for row, data in zip(rows, filled, strict=True):
                made[row] = data.tobytes()
        return made

    def _template(self, names: Sequence[str], present: Sequence[bool]) -> tuple[bytes, NDArray[np.int64]]:
        """Return a row's bytes with zeros for the values of the `present` features, and the places of these values."""
        template, places = b"", []
        for name, given in zip(names, present, strict=True):
            text = name.encode()
            text = self._name_tag + _varint(len(text)) + text
            template += self._tag + _varint(len(text) + _VALUE_BYTES * given) + text
            if given:
                template += self._value_tag
                places.append(range(len(template), len(template) + 8))
                template += bytes(8)
        return template, np.array(places, np.int64).ravel()


def _varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    made: list[int] = []
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])
