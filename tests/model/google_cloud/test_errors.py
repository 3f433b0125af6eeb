"""What Google's errors mean."""

from __future__ import annotations

import pytest
import requests
import urllib3
from google.api_core.exceptions import Forbidden, NotFound
from google.auth.exceptions import RefreshError, TransportError

from customer_risk.model.google_cloud.errors import passes, translated


class _Failed(Exception):
    """What the caller wants failures to be."""


@pytest.mark.parametrize(
    "error",
    [
        NotFound("gone"),
        TransportError("down"),
        requests.ConnectionError("down"),
        urllib3.exceptions.ProtocolError("cut"),
        ConnectionResetError("cut"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_fault_becomes_the_callers_error(error) -> None:
    """An error of the API, of credentials, of the connection or of the system becomes what the caller makes of it."""
    with pytest.raises(_Failed) as failed, translated(_Failed):
        raise error
    assert failed.value.__cause__ is error


def test_an_expected_answer_stays_what_it_is() -> None:
    """An error that the caller named is raised as it is."""
    with pytest.raises(NotFound), translated(_Failed, (NotFound,)):
        raise NotFound("gone")


def test_a_mistake_of_ours_stays_what_it_is() -> None:
    """An error that no client of Google's raises isn't hidden."""
    with pytest.raises(KeyError), translated(_Failed):
        raise KeyError("x")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Forbidden("x", errors=[{"reason": "rateLimitExceeded"}]), True),
        (Forbidden("x", errors=[{"reason": "accessDenied"}]), False),
        (Forbidden("x", errors=[ValueError("what gRPC raised")]), False),
        (RefreshError("x", retryable=True), True),
        (RefreshError("x"), False),
    ],
)
def test_what_passes_is_told_from_what_stays(error, expected) -> None:
    """A rate limit and a token that can't be had now pass; missing rights and refused credentials stay."""
    assert passes(error) is expected
