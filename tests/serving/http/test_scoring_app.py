"""The scoring app: /ai/v1/risk over HTTP, in this process."""

from __future__ import annotations

import json
from contextlib import closing
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.auth.caller import Caller
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.errors import Unauthenticated
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.observers import LogObserver
from customer_risk.serving.exchange.outcome import Decided, RequestContext
from customer_risk.serving.http.body import MOST_BYTES
from customer_risk.serving.http.responses import response_of
from customer_risk.serving.http.scoring_app import MOST_DIRECT_BYTES, Mount, ScoringApp
from customer_risk.serving.store.file import FileStore
from customer_risk.serving.store.idempotency import Idempotency
from customer_risk.serving.telemetry.logs import LogSettings, RequestLog

_FIELDS = ["customer_id", "profile", "transactions", "features", "history_complete", "id", "amount", "created_at"]


async def _beyond(scope, receive, send) -> None:  # noqa: ARG001  an ASGI application's signature
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"beyond"})


_AS_JSON = {"content-type": "application/json"}


@pytest.fixture
def scoring_app(service) -> ScoringApp:
    """A scoring app ahead of an application that answers everything with 299."""
    return ScoringApp(_beyond, Exchange(service))


class _Guard:
    """An authenticator that accepts three tokens at once, and a fourth one after a wait."""

    scopes: ClassVar = {"scoring": {"score"}, "explaining": {"score", "explain"}, "nothing": set()}

    def cached(self, authorization: str | None) -> Caller | None:
        return Caller(authorization, frozenset(self.scopes[authorization])) if authorization in self.scopes else None

    async def authenticate(self, authorization: str | None) -> Caller:
        if authorization == "new":
            return Caller("new", frozenset({"score"}))
        return self.cached(authorization) or _refuse()


def _refuse() -> Caller:
    raise Unauthenticated("There is no token.", remedy="Send one.")


@pytest.fixture
def guarded(service) -> ScoringApp:
    """A scoring app that requires tokens."""
    return ScoringApp(_beyond, Exchange(service, access=AccessControl(_Guard())))


def _problem(response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    return response.status_code, document["type"].rpartition(":")[2]


def test_a_request_is_answered(scoring_app, call, service, request_) -> None:
    """A valid request gets 200 and the service's answer as JSON."""
    response = call(scoring_app, "POST", "/ai/v1/risk", json=request_)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    expected = service.answer(json.dumps(request_).encode())
    assert response.json()["probability"] == expected.decision.probability
    assert response.json()["reasons"][0]["contribution"] == expected.decision.reasons[0].contribution


def test_explanations_need_the_scope(guarded, call, request_) -> None:
    """With the scope `score` alone, reasons have code, customer wording and direction, and patterns have their code."""
    row = request_["transactions"][0] | {"completed_at": None}
    request_["transactions"] = [row | {"id": f"b-{n}", "created_at": f"2024-08-27T10:3{n}:00Z"} for n in range(10)]
    response = call(guarded, "POST", "/ai/v1/risk", json=request_, headers={"authorization": "scoring"})
    assert all(set(reason) == {"code", "text", "direction"} for reason in response.json()["reasons"])
    assert response.json()["patterns"] == [{"code": "VELOCITY_BURST"}]
    response = call(guarded, "POST", "/ai/v1/risk", json=request_, headers={"authorization": "explaining"})
    assert [each["count"] for each in response.json()["patterns"]] == [10]


def test_bad_fields_are_a_422_that_names_them(scoring_app, call, request_) -> None:
    """The problem document lists every pointer."""
    request_["transactions"][0]["amount"] = "12.50"
    request_["customer_id"] = None
    response = call(scoring_app, "POST", "/ai/v1/risk", json=request_)
    assert _problem(response) == (422, "bad-fields")
    assert {each["pointer"] for each in response.json()["errors"]} == {"/customer_id", "/transactions/0/amount"}


@pytest.mark.parametrize(
    ("method", "options", "status", "kind", "remedy"),
    [
        ("POST", {"content": b'{"a": ', "headers": _AS_JSON}, 400, "malformed-body", "Send one JSON object"),
        ("POST", {"data": {"customer_id": "c-1"}}, 415, "wrong-media-type", "Content-Type: application/json"),
        ("POST", {"content": b" " * (MOST_BYTES + 1), "headers": _AS_JSON}, 413, "body-too-large", "Send fewer"),
        ("GET", {}, 405, "wrong-method", "POST"),
    ],
)
def test_an_invalid_body_or_method_is_refused(scoring_app, call, method, options, status, kind, remedy) -> None:
    """A body that isn't JSON or is too large, a form, and another method are refused with what to do."""
    response = call(scoring_app, method, "/ai/v1/risk", **options)
    assert _problem(response) == (status, kind)
    assert remedy in response.json()["detail"]
    assert response.headers.get("allow") == ("POST" if status == 405 else None)


@pytest.mark.parametrize("path", ["/ai/v1/risk", "/ai/v1/risk:batch"])
def test_a_request_without_a_bundle_is_a_503(call, request_, path) -> None:
    """Without a bundle, a request gets 503 with Retry-After."""
    empty = ScoringApp(_beyond, Exchange(Service("customer-risk")))
    response = call(empty, "POST", path, json=request_)
    assert _problem(response) == (503, "not-ready")
    assert response.headers["retry-after"] == "1"


def test_an_unexpected_error_is_a_500_that_is_logged(service, call, request_, caplog) -> None:
    """An unexpected error is a 500 without details; the log has its cause."""
    service._clock = lambda: {}["inside"]
    scoring_app = ScoringApp(_beyond, Exchange(service, observers=(LogObserver(RequestLog(LogSettings())),)))
    response = call(scoring_app, "POST", "/ai/v1/risk", json=request_)
    assert _problem(response) == (500, "unexpected")
    assert "inside" not in response.text
    assert "KeyError: 'inside'" in caplog.text


def test_a_refused_request_is_not_logged(service, call, caplog) -> None:
    """Refused requests, which may have personal data, leave no log line."""
    scoring_app = ScoringApp(_beyond, Exchange(service, observers=(LogObserver(RequestLog(LogSettings())),)))
    call(scoring_app, "POST", "/ai/v1/risk", json={"customer_id": 7})
    assert caplog.text == ""


def test_every_other_path_is_passed_on(scoring_app, call) -> None:
    """The scoring app answers only its own paths."""
    assert call(scoring_app, "POST", "/v1/models/customer-risk:predict").status_code == 299


def _direct(scoring_app, request_, *headers):
    fields = [(b"content-type", b"application/json"), *headers]
    outcome = scoring_app.direct(fields, json.dumps(request_).encode())
    return None if outcome is None else scoring_app.finish([outcome])[0]


def _same(body: bytes) -> dict:
    return {name: value for name, value in json.loads(body).items() if name not in {"decision_id", "decided_at"}}


@pytest.mark.parametrize("changed", [{}, {"customer_id": 7}])
def test_direct_answers_equal_those_through_asgi(scoring_app, call, request_, changed) -> None:
    """A direct answer, or refusal of a bad field, equals the one through ASGI."""
    usual = call(scoring_app, "POST", "/ai/v1/risk", json=request_ | changed)
    direct = _direct(scoring_app, request_ | changed)
    assert (direct.status, direct.media_type) == (usual.status_code, usual.headers["content-type"])
    assert _same(direct.body) == _same(usual.content)


@pytest.mark.parametrize(
    "header", [(b"authorization", b"new"), (b"authorization", b"unknown"), (b"idempotency-key", b"k-1")]
)
def test_a_request_that_must_wait_is_not_answered_directly(guarded, request_, header) -> None:
    """A token that must be verified and an idempotency key need ASGI."""
    headers = [header] if header[0] == b"authorization" else [(b"authorization", b"scoring"), header]
    assert _direct(guarded, request_, *headers) is None


@pytest.mark.parametrize(("token", "status"), [("scoring", 200), ("new", 200), ("nothing", 403), ("bad", 401)])
def test_an_unknown_token_and_a_missing_scope_are_refused(guarded, call, request_, token, status) -> None:
    """An unknown token gets 401, a token without the scope 403."""
    response = call(guarded, "POST", "/ai/v1/risk", json=request_, headers={"authorization": token})
    assert response.status_code == status


def test_two_authorization_headers_are_refused(guarded, call, request_) -> None:
    """Two Authorization headers are refused."""
    headers = [("authorization", "scoring"), ("authorization", "explaining")]
    assert call(guarded, "POST", "/ai/v1/risk", json=request_, headers=headers).status_code == 401


def test_posts_to_kserves_paths_need_the_scope(guarded, call) -> None:
    """POST to KServe's paths needs the scope; health and metadata don't."""
    assert call(guarded, "POST", "/v1/models/customer-risk:predict").status_code == 401
    assert call(guarded, "GET", "/v2/models/customer-risk").status_code == 299


def test_a_large_body_is_answered_like_a_small_one(scoring_app, call, request_) -> None:
    """A body beyond the bound of direct answers is answered."""
    request_["transactions"] = [request_["transactions"][0] | {"id": f"t-{i}"} for i in range(1500)]
    assert len(json.dumps(request_)) > MOST_DIRECT_BYTES
    assert call(scoring_app, "POST", "/ai/v1/risk", json=request_).status_code == 200


def test_a_batch_answers_each_request_separately(scoring_app, call, request_) -> None:
    """In a batch, valid requests get their answers, and an invalid one gets a problem with pointers into it."""
    bad = request_ | {"customer_id": 7}
    response = call(scoring_app, "POST", "/ai/v1/risk:batch", json={"requests": [request_, bad, "x"] + [request_] * 20})
    assert response.status_code == 200
    items = response.json()["items"]
    assert [item["status"] for item in items] == [200, 422, 422] + [200] * 20
    assert [each["pointer"] for each in items[1]["problem"]["errors"]] == ["/requests/1/customer_id"]
    alone = call(scoring_app, "POST", "/ai/v1/risk", json=request_).content
    assert _same(json.dumps(items[0]["answer"])) == _same(alone)


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "k"}])
def test_a_refused_item_names_its_customer(service, call, request_, tmp_path, headers) -> None:
    """A refused item of a batch has the customer's id if it is valid, in bodies of any size."""
    small = request_ | {"profile": {"is_pep": "no"}}
    large = small | {"customer_id": "c-2", "remark": "x" * 100_000}
    nameless = request_ | {"customer_id": 7}
    sent = {"requests": [request_, small, large, nameless]}
    with closing(FileStore(str(tmp_path / "store"))) as store:
        app = ScoringApp(_beyond, Exchange(service), keys=lambda: Idempotency(store))
        items = call(app, "POST", "/ai/v1/risk:batch", json=sent, headers=headers).json()["items"]
    assert [each["status"] for each in items] == [200, 422, 422, 422]
    assert [each.get("customer_id") for each in items] == [None, request_["customer_id"], "c-2", None]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"requests": []}', 422),
        (b'{"requests": 3}', 422),
        (b"[]", 422),
        (b'{"requests": [', 400),
        (b'{"requests": [' + b"1," * 1000 + b"1]}", 413),
    ],
)
def test_an_invalid_batch_is_refused(scoring_app, call, body, status) -> None:
    """An empty batch, a batch with too many requests, and a body without a list are refused."""
    response = call(
        scoring_app, "POST", "/ai/v1/risk:batch", content=body, headers={"content-type": "application/json"}
    )
    assert _problem(response)[0] == status


def test_endpoint_errors_become_problem_documents(service, call) -> None:
    """Endpoints answer at their paths, and their errors become problem documents."""

    async def room(scope, receive, send, caller) -> None:  # noqa: ARG001  a room's signature
        raise Unauthenticated(f"{scope['path']} {caller.name}", remedy="None.")

    scoring_app = ScoringApp(
        _beyond, Exchange(service, access=AccessControl(_Guard())), endpoints={"/ai/v1/jobs": Mount(room, "score")}
    )
    response = call(scoring_app, "GET", "/ai/v1/jobs/7", headers={"authorization": "scoring"})
    assert (response.status_code, response.json()["detail"]) == (401, "/ai/v1/jobs/7 scoring None.")
    assert call(scoring_app, "GET", "/ai/v1/jobsmore").status_code == 299


def test_a_refusal_keeps_its_headers() -> None:
    """A 401 has the header WWW-Authenticate."""
    refused = Exchange(Service("x")).refuse(Unauthenticated("No token.", remedy="Send one."), RequestContext("/"))
    assert response_of(refused).headers == (("www-authenticate", "Bearer"),)


def test_observers_get_every_outcome_and_response(service, call, request_) -> None:
    """Observers get each decision, refusal and response, through ASGI and directly."""
    heard, traces = [], []

    class Notes:
        def observe(self, outcome) -> None:
            told = outcome.answer.customer_id if isinstance(outcome, Decided) else outcome.kind.name
            heard.append((told, outcome.context.caller_name))

        def responded(self, context, status, seconds) -> None:
            heard.append((context.route, status, seconds > 0))
            traces.append(context.trace and context.trace.trace_id)

    scoring_app = ScoringApp(_beyond, Exchange(service, observers=(Notes(),)))
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    call(scoring_app, "POST", "/ai/v1/risk", json=request_, headers={"traceparent": parent})
    _direct(scoring_app, request_, (b"traceparent", parent.encode()))
    _direct(scoring_app, {})
    call(scoring_app, "POST", "/ai/v1/risk:batch", json={"requests": [request_]})
    assert traces == [trace, trace, None, None]
    decided = ("c-1", "local")
    assert heard == [
        *[decided, ("/ai/v1/risk", 200, True)] * 2,
        ("bad-fields", "local"),
        ("/ai/v1/risk", 422, True),
        decided,
        ("/ai/v1/risk:batch", 200, True),
    ]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aµ\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_FIELDS) | st.text(), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=40) | _JSON.map(lambda document: json.dumps(document).encode()))
def test_no_body_causes_an_unexpected_error(scoring_app, call, body) -> None:
    """Random bytes and JSON of any shape get a decision or a refusal with a reason."""
    response = call(scoring_app, "POST", "/ai/v1/risk", content=body, headers={"content-type": "application/json"})
    assert response.status_code in {200, 400, 422}
    response.json()
