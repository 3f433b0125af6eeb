"""Refusals on the wire: problem documents (RFC 9457), and the one table from errors to statuses."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

import msgspec

from customer_risk.model.errors import BadField, CustomerRiskError, InputError
from customer_risk.serving.contract.columns import column
from customer_risk.serving.errors import (
    BodyTooLarge,
    Conflict,
    EncodedBody,
    Forbidden,
    HeadTooLarge,
    Later,
    MalformedBody,
    NotFound,
    NotReady,
    NotServed,
    Overloaded,
    RequestTooSlow,
    StoreUnavailable,
    TooManyRequests,
    Unauthenticated,
    UnknownModel,
    WrongMediaType,
    WrongMethod,
)

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of refusal: its status, stable name and title."""

    status: HTTPStatus
    name: str
    title: str


KINDS: Final[dict[type[CustomerRiskError], Kind]] = {
    InputError: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-fields", "Some fields can't be used"),
    MalformedBody: Kind(HTTPStatus.BAD_REQUEST, "malformed-body", "The body can't be read"),
    WrongMediaType: Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wrong-media-type", "Unsupported media type"),
    EncodedBody: Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "encoded-body", "Compressed bodies aren't accepted"),
    BodyTooLarge: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", "The body is too large"),
    WrongMethod: Kind(HTTPStatus.METHOD_NOT_ALLOWED, "wrong-method", "Method not allowed"),
    Unauthenticated: Kind(HTTPStatus.UNAUTHORIZED, "unauthenticated", "A token is required"),
    Forbidden: Kind(HTTPStatus.FORBIDDEN, "forbidden", "The token lacks a scope"),
    NotFound: Kind(HTTPStatus.NOT_FOUND, "not-found", "Not found"),
    UnknownModel: Kind(HTTPStatus.NOT_FOUND, "unknown-model", "Unknown model"),
    Conflict: Kind(HTTPStatus.CONFLICT, "conflict", "This contradicts an earlier request"),
    NotServed: Kind(HTTPStatus.NOT_IMPLEMENTED, "not-served", "Not supported"),
    TooManyRequests: Kind(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", "Too many requests"),
    Overloaded: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", "Overloaded"),
    NotReady: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", "The service isn't ready"),
    RequestTooSlow: Kind(HTTPStatus.REQUEST_TIMEOUT, "too-slow", "The request arrived too slowly"),
    HeadTooLarge: Kind(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", "The header is too large"),
    StoreUnavailable: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", "The shared store doesn't answer"),
    Later: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable"),
}
UNEXPECTED: Final = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", "Unexpected error of the service")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The document; `errors` names every bad field."""

    type: str
    title: str
    status: Annotated[int, column(duckdb="INTEGER")]
    detail: str
    errors: tuple[BadField, ...] = ()


def kind_of(error: BaseException) -> Kind:
    """Return the kind of an error; UNEXPECTED if it isn't in the table."""
    return next((kind for error_type, kind in KINDS.items() if isinstance(error, error_type)), UNEXPECTED)


def headers_of(error: BaseException) -> tuple[tuple[str, str], ...]:
    """Return the headers of the response to an error, by lower-case name."""
    match error:
        case Later():
            return (("retry-after", str(error.retry_after)),)
        case WrongMethod():
            return (("allow", error.allowed),)
        case Unauthenticated():
            return (("www-authenticate", "Bearer"),)
        case EncodedBody():
            return (("accept-encoding", "identity"),)  # RFC 9110, 15.5.16
        case _:
            return ()


def document_of(error: BaseException) -> tuple[Kind, Problem]:
    """Return the kind and the document of an error. An unexpected error's text is for the log only."""
    kind = kind_of(error)
    detail = "The request wasn't answered. Send it again; if it fails again, tell the service's owners."
    fields: tuple[BadField, ...] = ()
    if isinstance(error, InputError):
        # `errors` lists the fields, up to a hundred of them: the detail only counts them.
        number = len(error.fields)
        detail, fields = f"{number} invalid field{'' if number == 1 else 's'}, listed in errors.", error.fields
    elif isinstance(error, CustomerRiskError) and kind is not UNEXPECTED:
        detail = str(error)
    document = Problem(
        type=f"urn:problem-type:customer-risk:{kind.name}",
        title=kind.title,
        status=kind.status.value,
        detail=detail,
        errors=fields,
    )
    return kind, document
