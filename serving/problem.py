"""Refusals on the wire: problem documents (RFC 9457), and the one table from errors to statuses."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec

from model.errors import BadField, CustomerRiskError, InputError
from serving.errors import BodyTooLarge, MalformedBody, NotReady, NotServed, UnknownModel, WrongMediaType, WrongMethod

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one sort of error is told: status, stable name, title, and headers beside the document."""

    status: HTTPStatus
    name: str
    title: str
    headers: tuple[tuple[str, str], ...] = ()


KINDS: Final[dict[type[CustomerRiskError], Kind]] = {
    InputError: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-fields", "Some fields can't be used"),
    MalformedBody: Kind(HTTPStatus.BAD_REQUEST, "malformed-body", "The body isn't JSON"),
    WrongMediaType: Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wrong-media-type", "The body isn't declared as JSON"),
    BodyTooLarge: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", "The body is too large"),
    WrongMethod: Kind(
        HTTPStatus.METHOD_NOT_ALLOWED, "wrong-method", "Only POST is answered here", (("allow", "POST"),)
    ),
    UnknownModel: Kind(HTTPStatus.NOT_FOUND, "unknown-model", "No such model here"),
    NotServed: Kind(HTTPStatus.NOT_IMPLEMENTED, "not-served", "This isn't served"),
    NotReady: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", "No verified model yet", (("retry-after", "1"),)),
}
UNEXPECTED: Final = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", "Something failed on our side")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The document; `errors` names every bad field."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[BadField, ...] = ()


def kind_of(error: BaseException) -> Kind:
    """Look an error up; what isn't in the table is unexpected."""
    return next((kind for error_type, kind in KINDS.items() if isinstance(error, error_type)), UNEXPECTED)


def problem_of(error: BaseException) -> tuple[Kind, bytes]:
    """Tell an error: its kind and the document. An unexpected one keeps its cause to itself, for the log."""
    kind = kind_of(error)
    detail = "The request wasn't answered. Send it again; if it fails again, tell the service's owners."
    fields: tuple[BadField, ...] = ()
    if isinstance(error, InputError):
        # The fields stand in `errors`; a detail that repeats a hundred of them helps no one.
        detail, fields = f"{len(error.fields)} to correct, each named in errors.", error.fields
    elif isinstance(error, CustomerRiskError) and kind is not UNEXPECTED:
        detail = str(error)
    document = Problem(
        type=f"urn:problem-type:customer-risk:{kind.name}",
        title=kind.title,
        status=kind.status.value,
        detail=detail,
        errors=fields,
    )
    return kind, msgspec.json.encode(document)
