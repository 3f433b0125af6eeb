"""The server's settings."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.serving.http.settings import ServerSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", 65536), ("workers", 0), ("drain_seconds", -1), ("most_connections", 0), ("unheard_of", 1)],
)
def test_an_invalid_setting_is_refused(name, value) -> None:
    """A setting out of bounds and an unknown setting are refused."""
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.convert({name: value}, ServerSettings)
