"""The classification and conversion of errors of Google's clients."""

from __future__ import annotations

import pytest
import requests
import urllib3
from google.api_core.exceptions import Forbidden, NotFound
from google.auth.exceptions import RefreshError, TransportError

from customer_risk.model.google_cloud.errors import passes, translated


class _Failed(Exception):
    """The error into which failures are converted."""


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
def test_errors_of_the_clients_are_converted(error) -> None:
    """An error of the API, the credentials, the connection or the system is converted by the caller's function."""
    with pytest.raises(_Failed) as failed, translated(_Failed):
        raise error
    assert failed.value.__cause__ is error


def test_an_expected_answer_stays_what_it_is() -> None:
    """An error that the caller named is raised unchanged."""
    with pytest.raises(NotFound), translated(_Failed, (NotFound,)):
        raise NotFound("gone")


def test_a_mistake_of_ours_stays_what_it_is() -> None:
    """An error that Google's clients never raise isn't converted."""
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
def test_temporary_errors_are_recognised(error, expected) -> None:
    """A rate limit and a failed request for a token are temporary; missing rights and bad credentials are permanent."""
    assert passes(error) is expected
