"""Segments as lines of JSON."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from customer_risk.serving.record.sinks.ndjson import Lines


def test_segments_have_the_same_bytes_at_every_attempt(samples) -> None:
    """A segment has the same bytes whatever the time and the order of a document's fields."""
    given = samples.segment(1, 20)
    turned = dataclasses.replace(given, documents=[dict(reversed(each.items())) for each in given.documents])
    first = Lines().encode(given.documents)
    assert Lines().encode(turned.documents) == first
    assert first[4:8] == bytes(4)  # where gzip would write the hour


def test_invalid_lines_are_refused() -> None:
    """Truncated or foreign bytes are refused."""
    whole = Lines().encode([{"a": 1}])
    for data in (b"", whole[:-9], b"PAR1", whole[:12] + b"\0\0" + whole[14:], Lines().encode([{}])[:10]):
        with pytest.raises(ValueError, match="not a segment"):
            Lines().decode(data)
    assert msgspec.json.encode(Lines().decode(whole)) == b'[{"a":1}]'
