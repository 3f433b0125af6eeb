"""The errors of a request, except those of its fields, which are customer_risk.model.errors.InputError.

RequestError
├── MalformedBody       not JSON
├── WrongMediaType      a media type that isn't accepted here
├── EncodedBody         a body with a content coding, for instance a compressed one
├── BodyTooLarge        more bytes, or more items, than the server takes
├── WrongMethod         a method that the path doesn't support
├── Unauthenticated     no token, or one that can't be trusted
├── Forbidden           a token without the scope that the route requires
├── NotFound            a path, job or result that doesn't exist
├── UnknownModel        a model that isn't served here
├── Conflict            a request that contradicts an earlier one
├── NotServed           a part of KServe's protocols that isn't served
├── RequestTooSlow      a request that didn't arrive in time
├── HeadTooLarge        more bytes of header fields than the server takes
└── Later               the caller may send the request again after `retry_after` seconds
    ├── TooManyRequests    a caller sends more requests than its share
    ├── Overloaded         all callers send more than the server can answer in time
    ├── NotReady           no bundle is verified, or the issuer's keys can't be read
    ├── RecordUnavailable  the decision record can't be written
    ├── StoreUnavailable   the shared store can't be reached
    └── Exhausted          no free descriptor, memory, thread or disk space

customer_risk.serving.contract.problem maps each to its status. `as_exhausted` turns errors of the operating system
into Exhausted.
"""

from __future__ import annotations

import errno
from typing import Final

from customer_risk.model.errors import CustomerRiskError

_LACKS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOSPC, errno.EDQUOT))
_NO_THREAD: Final = "can't start new thread"  # CPython's error has no number


class RequestError(CustomerRiskError):
    """A request that can't be answered."""


class MalformedBody(RequestError):
    """Not JSON."""


class WrongMediaType(RequestError):
    """A media type that isn't accepted here."""


class EncodedBody(RequestError):
    """A body with a content coding, for instance a compressed one."""


class BodyTooLarge(RequestError):
    """More bytes, or more items, than the server takes."""


class WrongMethod(RequestError):
    """A method that the path doesn't support; `allowed` lists the supported ones."""

    def __init__(self, message: str, *, remedy: str, allowed: str = "POST") -> None:
        super().__init__(message, remedy=remedy)
        self.allowed = allowed


class Unauthenticated(RequestError):
    """No token, or one that can't be trusted."""


class Forbidden(RequestError):
    """A token without the scope that the route requires."""


class NotFound(RequestError):
    """A path, job or result that doesn't exist."""


class UnknownModel(RequestError):
    """A model that isn't served here."""


class Conflict(RequestError):
    """A request that contradicts an earlier one."""


class NotServed(RequestError):
    """A part of KServe's protocols that isn't served."""


class RequestTooSlow(RequestError):
    """A request that didn't arrive in time."""


class HeadTooLarge(RequestError):
    """More bytes of header fields than the server takes."""


class Later(RequestError):
    """The caller may send the request again after `retry_after` whole seconds."""

    def __init__(self, message: str, *, remedy: str, retry_after: int = 1) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class TooManyRequests(Later):
    """A caller sends more requests than its share."""


class Overloaded(Later):
    """All callers together send more than the server can answer in time."""


class NotReady(Later):
    """No bundle is verified, the issuer's keys can't be read, or the model can't answer for another reason."""


class RecordUnavailable(Later):
    """The decision record can't be written; this thread has lost `records` of its records."""

    def __init__(self, why: str, *, records: int = 1) -> None:
        super().__init__(f"The decision can't be recorded: {why}.", remedy="Send it again later.", retry_after=5)
        self.records = records


class StoreUnavailable(Later):
    """The shared store can't be reached, or doesn't answer in time."""

    def __init__(self) -> None:
        super().__init__("The shared store doesn't answer.", remedy="Try again shortly.", retry_after=2)


class Exhausted(Later):
    """The server has no free descriptor, memory, thread or disk space."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The server lacks a resource: {why}.", remedy="Try again shortly.", retry_after=5)


def as_exhausted(error: Exception) -> Exception:
    """Return Exhausted if the error says that a resource is used up, else the error itself."""
    if isinstance(error, OSError) and error.errno in _LACKS:
        return Exhausted(error.strerror or str(error))
    if isinstance(error, MemoryError):
        return Exhausted("memory")
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return Exhausted(_NO_THREAD)
    return error
