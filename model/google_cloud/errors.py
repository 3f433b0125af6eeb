"""Classifies errors of Google's clients as temporary or permanent, and converts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import grpc
import urllib3
from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPIError, NotFound, Unauthorized
from google.auth.exceptions import GoogleAuthError

Errors = tuple[type[Exception], ...]
# All errors that Google's clients raise; errors of `requests` are OSErrors.
FAULTS: Final[Errors] = (GoogleAPIError, GoogleAuthError, grpc.RpcError, urllib3.exceptions.HTTPError, OSError)
# Permanent errors, unless `passes` says otherwise.
REFUSED: Final[Errors] = (BadRequest, Unauthorized, Forbidden, NotFound)
# BigQuery's reasons for temporary errors; some of them have the status 403.
PASSING: Final = frozenset(
    (
        "backendError",
        "internalError",
        "jobBackendError",
        "jobInternalError",
        "rateLimitExceeded",
        "jobRateLimitExceeded",
    )
)


def passes(error: Any) -> bool:
    """Whether an error of Google's clients is temporary."""
    reasons = (each.get("reason") for each in getattr(error, "errors", ()) if isinstance(each, Mapping))
    return bool(getattr(error, "retryable", False)) or any(reason in PASSING for reason in reasons)


@contextmanager
def translated(
    failure: Callable[[Exception], Exception], answers: Errors = (), faults: Errors = FAULTS
) -> Iterator[None]:
    """Convert errors of the kinds `faults` with `failure`; the errors `answers` are raised unchanged."""
    try:
        yield
    except answers:
        raise
    except faults as error:
        raise failure(error) from error
