"""Refusals as gRPC statuses: the code, the problem document, and google.rpc's details."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, NamedTuple

import grpc
import msgspec
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from customer_risk.serving.contract.problem import Problem
from customer_risk.serving.exchange.outcome import Refused

DETAILS_KEY: Final = "grpc-status-details-bin"
_MOST_BYTES: Final = (
    2000  # of named fields: both forms and the rest must fit into 8 KB, the metadata that clients accept
)

CODES: Final = {
    HTTPStatus.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.UNPROCESSABLE_ENTITY: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.UNAUTHORIZED: grpc.StatusCode.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: grpc.StatusCode.UNIMPLEMENTED,
    HTTPStatus.NOT_IMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    HTTPStatus.REQUEST_TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    HTTPStatus.CONFLICT: grpc.StatusCode.ABORTED,
    HTTPStatus.TOO_MANY_REQUESTS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.SERVICE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    HTTPStatus.INTERNAL_SERVER_ERROR: grpc.StatusCode.INTERNAL,
}


class CallStatus(NamedTuple):
    """The end of a refused call: its code, its text and its trailing metadata."""

    code: grpc.StatusCode
    text: str
    trailing: tuple[tuple[str, str | bytes], ...]

    def end(self, call: Any) -> None:
        """Set this as the status of a call.

        The handler then returns None. Don't call `call.abort`: gRPC keeps its exception, and with it the message.
        """
        call.set_code(self.code)
        call.set_details(self.text)
        call.set_trailing_metadata(self.trailing)


def status_of(refused: Refused) -> CallStatus:
    """Return the status of a refused call."""
    code, document = CODES[refused.kind.status], _shortened(refused.problem)
    details: list[Any] = []
    if document.errors:
        fields = [BadRequest.FieldViolation(field=each.pointer, description=each.detail) for each in document.errors]
        details.append(BadRequest(field_violations=fields))
    trailing: list[tuple[str, str | bytes]] = list(refused.headers)
    if refused.retry_after is not None:
        retry = RetryInfo()
        retry.retry_delay.FromSeconds(refused.retry_after)
        details.append(retry)
    if details:
        trailing.append((DETAILS_KEY, _status(code, document, details).SerializeToString()))
    return CallStatus(code, msgspec.json.encode(document).decode(), tuple(trailing))


def _status(code: grpc.StatusCode, document: Problem, details: list[Any]) -> Any:
    status = Status(code=code.value[0], message=msgspec.json.encode(document).decode())
    for detail in details:
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _shortened(document: Problem) -> Problem:
    """Return the problem with as many fields as fit into metadata; the detail has the number of all fields."""
    kept, left = [], _MOST_BYTES
    for each in document.errors:
        left -= len(each.pointer) + len(each.detail)
        if left < 0:
            break
        kept.append(each)
    return msgspec.structs.replace(document, errors=tuple(kept))
