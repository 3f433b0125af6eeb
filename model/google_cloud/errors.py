"""What Google's errors mean: the same again may succeed later, or never will."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import grpc
import urllib3
from google.api_core.exceptions import BadRequest, Forbidden, GoogleAPIError, NotFound, Unauthorized
from google.auth.exceptions import GoogleAuthError

Errors = tuple[type[Exception], ...]
# All that a call of Google's clients raises; errors of `requests` are OSErrors.
FAULTS: Final[Errors] = (GoogleAPIError, GoogleAuthError, grpc.RpcError, urllib3.exceptions.HTTPError, OSError)
# Asking again changes nothing, unless `passes` says otherwise.
REFUSED: Final[Errors] = (BadRequest, Unauthorized, Forbidden, NotFound)
# Reasons by which BigQuery says that the same may be done later; some of them come with status 403.
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
    """Whether an error of Google's says that the same may succeed later."""
    reasons = (each.get("reason") for each in getattr(error, "errors", ()) if isinstance(each, Mapping))
    return bool(getattr(error, "retryable", False)) or any(reason in PASSING for reason in reasons)


@contextmanager
def translated(
    failure: Callable[[Exception], Exception],
    answers: Errors = (),
    faults: Errors = FAULTS,
) -> Iterator[None]:
    """Raise what `failure` makes of any of the `faults`; the errors `answers` are raised as they are."""
    try:
        yield
    except answers:
        raise
    except faults as error:
        raise failure(error) from error
