"""Every refusal as OpenAPI responses: one for each status, with the headers and an example of each kind."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.contract.kserve_problem import with_error
from customer_risk.serving.contract.problem import (
    KINDS,
    MEDIA_TYPE,
    UNEXPECTED,
    Problem,
    document_of,
    headers_of,
    kind_of,
)
from customer_risk.serving.openapi.examples import REFUSALS
from customer_risk.serving.openapi.plain import Schema
from customer_risk.serving.openapi.schemas import reference

_HEADERS: Final[dict[str, Schema]] = {
    "retry-after": {
        "description": "whole seconds after which to send the request again",
        "schema": {"type": "integer", "minimum": 0},
        "required": True,
    },
    "www-authenticate": {"description": "the authentication scheme", "schema": {"type": "string"}, "required": True},
    "allow": {"description": "the methods that the path accepts", "schema": {"type": "string"}, "required": True},
    "accept-encoding": {
        "description": "`identity` if the body is refused for its Content-Encoding",
        "schema": {"type": "string"},
        "required": False,
    },
}
_SHOWN: Final = {
    "retry-after": "Retry-After",
    "www-authenticate": "WWW-Authenticate",
    "allow": "Allow",
    "accept-encoding": "Accept-Encoding",
}


def make_responses() -> dict[str, Any]:
    """Return the shared responses by name, which `refusals_of` and `in_form_of_kserve` refer to."""
    by_status: dict[int, list[BaseException]] = {}
    for error in (*REFUSALS, RuntimeError()):
        by_status.setdefault(kind_of(error).status.value, []).append(error)
    plain = {_name(status): _response(errors) for status, errors in sorted(by_status.items())}
    return plain | {f"Kserve{name}": _of_kserve(response) for name, response in plain.items()}


def refusals_of(*kinds: type[CustomerRiskError]) -> dict[str, Any]:
    """Return references to the responses of some errors, by status; an unexpected error is always included."""
    statuses = sorted({UNEXPECTED.status.value, *(KINDS[kind].status.value for kind in kinds)})
    return {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in statuses}


def in_form_of_kserve(responses: dict[str, Any]) -> dict[str, Any]:
    """Return an operation's responses with references to refusals in the form of KServe's protocols."""
    prefix = "#/components/responses/"
    return {
        status: {"$ref": f"{prefix}Kserve{each['$ref'].removeprefix(prefix)}"} if "$ref" in each else each
        for status, each in responses.items()
    }


def _of_kserve(response: dict[str, Any]) -> dict[str, Any]:
    shown = {
        name: {**each, "value": msgspec.to_builtins(with_error(msgspec.convert(each["value"], Problem)))}
        for name, each in response["content"][MEDIA_TYPE]["examples"].items()
    }
    return {**response, "content": {"application/json": {"schema": reference("KserveProblem"), "examples": shown}}}


def _name(status: int) -> str:
    return f"Problem{status}"


def _response(errors: list[BaseException]) -> dict[str, Any]:
    kinds = [kind_of(error) for error in errors]
    examples = {
        kind.name: {"summary": kind.title, "value": msgspec.to_builtins(document_of(error)[1])}
        for kind, error in zip(kinds, errors, strict=True)
    }
    response = {
        "description": "; or ".join(kind.title for kind in kinds) + ".",
        "content": {MEDIA_TYPE: {"schema": reference("Problem"), "examples": examples}},
    }
    headers = {_SHOWN[name]: _HEADERS[name] for error in errors for name, _ in headers_of(error)}
    return response | ({"headers": headers} if headers else {})
