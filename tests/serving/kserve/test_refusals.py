"""Refusals in KServe's protocols, as KServe's and Triton's clients read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from kserve import ModelRepository
from kserve.inference_client import InferenceRESTClient, RESTConfig

from customer_risk.model.errors import BadField
from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.auth.caller import Caller
from customer_risk.serving.auth.rate_limits import Limiter, LimitSettings
from customer_risk.serving.contract.kserve_problem import is_of_kserve, with_error
from customer_risk.serving.contract.problem import Problem
from customer_risk.serving.errors import Unauthenticated
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.http.body import MOST_BYTES
from customer_risk.serving.http.protocol import _OVERLOADED
from customer_risk.serving.kserve.application import application
from customer_risk.serving.kserve.data_plane import FixedModels, ModelDataPlane

if TYPE_CHECKING:
    import httpx2

PREDICT = "/v1/models/customer-risk:predict"
INFER = "/v2/models/customer-risk/infer"
_UNKNOWN = {"authorization": "unknown"}
_NOT_ALLOWED = {"authorization": "batch"}
_GZIP = {"content-encoding": "gzip", "content-type": "application/json"}


class _Guard:
    """Accepts every caller except `unknown`; the header Authorization names the scopes."""

    def cached(self, _: str | None) -> None:
        return None

    async def authenticate(self, authorization: str | None) -> Caller:
        if authorization == "unknown":
            raise Unauthenticated("There is no token.", remedy="Send one.")
        return Caller("ada", frozenset((authorization or "score").split()))


@pytest.fixture
def make(model):
    """Build the application that asks for tokens, with a limit of requests a second."""

    def made(*, burst: int = 100):
        models = ModelRepository()
        models.update(model)
        limiter = Limiter(LimitSettings(requests_per_second=0.001, burst=burst))
        exchange = Exchange(model.service, access=AccessControl(_Guard(), limiter))
        return application(exchange, ModelDataPlane(models), FixedModels(models))

    return made


def _assert_readable(response: httpx2.Response) -> str:
    """Check what both clients read: KServe's only a body of exactly application/json, both its `error`."""
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert document["status"] == response.status_code
    assert document["type"].startswith("urn:problem-type:customer-risk:")
    assert document["detail"]
    error: Any = document["error"]
    assert isinstance(error, str)
    assert error
    return error


@pytest.mark.parametrize("path", [PREDICT, INFER])
@pytest.mark.parametrize(
    ("status", "kind", "options"),
    [
        (400, "malformed-body", {"content": b"{"}),
        (401, "unauthenticated", {"headers": _UNKNOWN}),
        (403, "forbidden", {"headers": _NOT_ALLOWED}),
        (413, "body-too-large", {"content": b" " * (MOST_BYTES + 1)}),
        (415, "wrong-media-type", {"data": {"instances": "x"}}),
        (415, "encoded-body", {"content": b"x", "headers": _GZIP}),
        (422, "bad-fields", {"json": {}}),
        (429, "too-many-requests", {"json": {}}),
        (503, "not-ready", {"json": {}}),
    ],
)
def test_every_refusal_has_an_error_that_clients_read(request, make, call, path, status, kind, options) -> None:
    """Every refusal of V1 and V2 is a problem document as application/json with the text `error`."""
    if status != 503:
        request.getfixturevalue("ready")
    app = make(burst=1 if status == 429 else 100)
    if status == 429:
        call(app, "POST", path, json={})
    response = call(app, "POST", path, **options)
    assert response.status_code == status, response.text
    assert response.json()["type"].rpartition(":")[2] == kind
    assert _assert_readable(response) != "1 invalid field, listed in errors."


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/models/other:predict", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("POST", "/v2/models/customer-risk/versions/1/infer", 404),
        ("GET", "/v2/models/other", 404),
        ("GET", "/v1/models/other", 404),
        ("GET", "/v1/nowhere", 404),
        ("POST", "/v2/nowhere", 404),
        ("DELETE", PREDICT, 405),
        ("GET", INFER, 405),
        ("POST", "/v1/models/customer-risk:explain", 501),
        ("POST", "/v2/repository/models/customer-risk/load", 501),
    ],
)
def test_every_refusal_of_a_path_has_an_error_that_clients_read(ready, make, call, method, path, status) -> None:  # noqa: ARG001  the model has a bundle
    """A path, model, version or method that isn't served is refused in the same form."""
    response = call(make(), method, path, json={"instances": []})
    assert response.status_code == status, response.text
    _assert_readable(response)


@pytest.mark.parametrize("path", ["/v2/health/ready", "/v1/models/customer-risk", "/v2/models/customer-risk/ready"])
def test_readiness_that_is_false_has_an_error_that_clients_read(make, call, path) -> None:
    """Before there is a model, readiness is a 503 in the same form."""
    response = call(make(), "GET", path)
    assert response.status_code == 503
    _assert_readable(response)


@pytest.mark.parametrize(
    ("target", "media_type"),
    [
        (INFER.encode(), b"application/json"),
        (PREDICT.encode(), b"application/json"),
        (b"http://x/v2/models/customer-risk/infer?a=b", b"application/json"),
        (b"/%762/models/customer-risk/infer", b"application/json"),
        (b"/ai/v1/risk", b"application/problem+json"),
        (b"/ai/v1/risk:batch", b"application/problem+json"),
        (b"", b"application/problem+json"),
        (None, b"application/problem+json"),
        (b"http://", b"application/problem+json"),
    ],
)
def test_refusals_for_overload_are_in_the_form_of_their_path(target, media_type) -> None:
    """A refusal that is sent before the application gets the request is in the form of the request's path."""
    head, _, body = _OVERLOADED.at(target).partition(b"\r\n\r\n")
    assert b"content-type: %b\r\n" % media_type in head + b"\r\n"
    assert f"content-length: {len(body)}".encode() in head
    assert ("error" in json.loads(body)) == (media_type == b"application/json")


def test_other_paths_keep_problem_json(make, call) -> None:
    """Outside KServe's protocols, a refusal stays application/problem+json without `error`."""
    response = call(make(), "POST", "/ai/v1/risk", headers=_UNKNOWN)
    assert response.headers["content-type"] == "application/problem+json"
    assert "error" not in response.json()


def test_the_error_names_the_first_fields() -> None:
    """The text has the first five bad fields and the number of the others; without fields it is the detail."""
    fields = tuple(BadField(f"/inputs/{place}", "is required") for place in range(7))
    problem = Problem("urn:x", "Some fields can't be used", 422, "7 invalid fields, listed in errors.", fields)
    named = "; ".join(f"/inputs/{place}: is required" for place in range(5))
    assert with_error(problem).error == f"Some fields can't be used: {named}; and 2 more"
    assert with_error(problem).errors == fields
    whole = Problem("urn:x", "Title", 422, "1 to correct", (BadField("", "expected an object"),))
    assert with_error(whole).error == "Title: the body: expected an object"
    assert with_error(Problem("urn:x", "Title", 400, "What is wrong.")).error == "What is wrong."


@pytest.mark.parametrize("path", ["/v1", "/v10/models", "/v2", "/v2x", "/ai/v1/risk", "/", ""])
def test_paths_of_kserve_are_recognized(path) -> None:
    """Only /v1, /v2 and the paths below them are KServe's."""
    assert is_of_kserve(path) == (path in {"/v1", "/v2"})


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_kserves_client_shows_the_error(make, call, protocol) -> None:
    """The exception that KServe's client raises has the text `error`."""
    refused = call(make(), "POST", PREDICT if protocol == "v1" else INFER, json={})
    request = httpx.Request("POST", "http://test")
    response = httpx.Response(503, headers=dict(refused.headers), content=refused.content, request=request)
    shown = str(InferenceRESTClient(RESTConfig(protocol=protocol))._construct_http_status_error(response))
    assert shown.startswith(refused.json()["error"])
