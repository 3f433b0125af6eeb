"""The server's settings."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.serving.http.settings import ServerSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", 65536), ("workers", 0), ("drain_seconds", -1), ("most_connections", 0), ("unheard_of", 1)],
)
def test_what_makes_no_sense_is_refused_by_name(name, value) -> None:
    """A setting out of bounds, or one that isn't there."""
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.convert({name: value}, ServerSettings)
