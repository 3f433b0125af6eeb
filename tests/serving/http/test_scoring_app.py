"""The scoring app: /ai/v1/risk over HTTP, in this process."""

from __future__ import annotations

import asyncio
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


@pytest.fixture
def scoring_app(service) -> ScoringApp:
    """A scoring app ahead of an application that answers everything with 299."""
    return ScoringApp(_beyond, Exchange(service))


class _Guard:
    """An authenticator that knows three tokens at once, and a fourth after a while."""

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
    """A scoring app that asks for tokens."""
    return ScoringApp(_beyond, Exchange(service, access=AccessControl(_Guard())))


def _problem(response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    return response.status_code, document["type"].rpartition(":")[2]


def test_a_request_is_answered(scoring_app, call, service, request_) -> None:
    """A sound request gets 200 and the service's answer as JSON."""
    response = call(scoring_app, "POST", "/ai/v1/risk", json=request_)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    expected = service.answer(json.dumps(request_).encode())
    assert response.json()["probability"] == expected.decision.probability
    assert response.json()["reasons"][0]["contribution"] == expected.decision.reasons[0].contribution


def test_without_the_scope_no_explanation_leaves(guarded, call, request_) -> None:
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


def test_malformed_json_is_a_400(scoring_app, call) -> None:
    """A body that isn't JSON says where it broke."""
    response = call(scoring_app, "POST", "/ai/v1/risk", content=b'{"a": ', headers={"content-type": "application/json"})
    assert _problem(response) == (400, "malformed-body")


def test_another_media_type_is_a_415(scoring_app, call) -> None:
    """What curl sends by default is refused with the header to use."""
    response = call(scoring_app, "POST", "/ai/v1/risk", data={"customer_id": "c-1"})
    assert _problem(response) == (415, "wrong-media-type")
    assert "Content-Type: application/json" in response.json()["detail"]


def test_too_large_a_body_is_a_413(scoring_app, call) -> None:
    """A body past the bound is refused."""
    content = b" " * (MOST_BYTES + 1)
    response = call(scoring_app, "POST", "/ai/v1/risk", content=content, headers={"content-type": "application/json"})
    assert _problem(response) == (413, "body-too-large")


def test_another_method_is_a_405(scoring_app, call) -> None:
    """GET is refused with the method that is allowed."""
    response = call(scoring_app, "GET", "/ai/v1/risk")
    assert _problem(response) == (405, "wrong-method")
    assert response.headers["allow"] == "POST"


def test_without_a_verified_bundle_it_is_a_503(call, request_) -> None:
    """A caller is told to come back."""
    empty = ScoringApp(_beyond, Exchange(Service("customer-risk")))
    response = call(empty, "POST", "/ai/v1/risk", json=request_)
    assert _problem(response) == (503, "not-ready")
    assert response.headers["retry-after"] == "1"


def test_a_fault_of_ours_is_a_500_that_is_logged(service, call, request_, caplog) -> None:
    """The caller learns nothing of the inside; the log has the cause."""
    service._clock = lambda: {}["inside"]
    scoring_app = ScoringApp(_beyond, Exchange(service, observers=(LogObserver(RequestLog(LogSettings())),)))
    response = call(scoring_app, "POST", "/ai/v1/risk", json=request_)
    assert _problem(response) == (500, "unexpected")
    assert "inside" not in response.text
    assert "KeyError: 'inside'" in caplog.text


def test_a_refused_request_is_not_logged(service, call, caplog) -> None:
    """A caller's mistakes, which may hold personal data, leave no line."""
    scoring_app = ScoringApp(_beyond, Exchange(service, observers=(LogObserver(RequestLog(LogSettings())),)))
    call(scoring_app, "POST", "/ai/v1/risk", json={"customer_id": 7})
    assert caplog.text == ""


def test_a_caller_who_hangs_up_gets_no_answer(scoring_app) -> None:
    """Nothing is sent to nobody."""
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    asyncio.run(
        scoring_app({"type": "http", "path": "/ai/v1/risk", "method": "POST", "headers": headers}, receive, send)
    )
    assert sent == []


def test_liveness_needs_no_model(call) -> None:
    """/healthz answers whatever the model's state."""
    response = call(ScoringApp(_beyond, Exchange(Service("x"))), "GET", "/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


def test_every_other_path_is_passed_on(scoring_app, call) -> None:
    """The scoring app takes its own paths alone."""
    assert call(scoring_app, "POST", "/v1/models/customer-risk:predict").status_code == 299


def _direct(scoring_app, request_, *headers):
    fields = [(b"content-type", b"application/json"), *headers]
    outcome = scoring_app.direct(fields, json.dumps(request_).encode())
    return None if outcome is None else scoring_app.finish([outcome])[0]


def _same(body: bytes) -> dict:
    return {name: value for name, value in json.loads(body).items() if name not in {"decision_id", "decided_at"}}


def test_the_direct_way_gives_the_same_answer(scoring_app, call, request_) -> None:
    """Without a task between, the answer is that of the application."""
    usual = call(scoring_app, "POST", "/ai/v1/risk", json=request_)
    direct = _direct(scoring_app, request_)
    assert (direct.status, direct.media_type) == (200, usual.headers["content-type"])
    assert _same(direct.body) == _same(usual.content)


def test_the_direct_way_gives_the_same_refusals(scoring_app, call, request_) -> None:
    """A bad field is the same problem document by both ways."""
    request_["customer_id"] = 7
    usual, direct = call(scoring_app, "POST", "/ai/v1/risk", json=request_), _direct(scoring_app, request_)
    assert (direct.status, direct.media_type, direct.body) == (
        422,
        usual.headers["content-type"],
        usual.content,
    )


@pytest.mark.parametrize("token", [b"new", b"unknown"])
def test_a_token_never_seen_goes_the_slow_way(guarded, request_, token) -> None:
    """Verifying takes waiting, which the direct way doesn't."""
    assert _direct(guarded, request_, (b"authorization", token)) is None


def test_an_idempotency_key_goes_the_slow_way(scoring_app, request_) -> None:
    """Asking the store takes waiting."""
    assert _direct(scoring_app, request_, (b"idempotency-key", b"k-1")) is None


@pytest.mark.parametrize(("token", "status"), [("scoring", 200), ("new", 200), ("nothing", 403), ("bad", 401)])
def test_callers_come_in_by_their_tokens(guarded, call, request_, token, status) -> None:
    """Without a token that is known it is a 401, without the scope a 403."""
    response = call(guarded, "POST", "/ai/v1/risk", json=request_, headers={"authorization": token})
    assert response.status_code == status


def test_two_tokens_are_none(guarded, call, request_) -> None:
    """A second Authorization header can't ride on the first."""
    headers = [("authorization", "scoring"), ("authorization", "explaining")]
    assert call(guarded, "POST", "/ai/v1/risk", json=request_, headers=headers).status_code == 401


def test_the_way_to_kserve_asks_for_a_token_too(guarded, call) -> None:
    """Posting to KServe's paths needs the scope; looking at health and metadata doesn't."""
    assert call(guarded, "POST", "/v1/models/customer-risk:predict").status_code == 401
    assert call(guarded, "GET", "/v2/models/customer-risk").status_code == 299


def test_a_large_body_is_answered_like_a_small_one(scoring_app, call, request_) -> None:
    """Past the bound of the direct way a thread answers."""
    request_["transactions"] = [request_["transactions"][0] | {"id": f"t-{i}"} for i in range(1500)]
    assert len(json.dumps(request_)) > MOST_DIRECT_BYTES
    assert call(scoring_app, "POST", "/ai/v1/risk", json=request_).status_code == 200


def test_a_batch_answers_each_on_its_own(scoring_app, call, request_) -> None:
    """Sound requests get the answers that they would get alone; a bad one gets its problem, pointed at from outside."""
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
    """A refused item of a batch has the customer's id where it can be read, small or large; an answered one hasn't."""
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
def test_what_is_no_batch_is_refused_whole(scoring_app, call, body, status) -> None:
    """None, too many, or no list of requests at all."""
    response = call(
        scoring_app, "POST", "/ai/v1/risk:batch", content=body, headers={"content-type": "application/json"}
    )
    assert _problem(response)[0] == status


def test_a_batch_without_a_bundle_is_a_503(call, request_) -> None:
    """Where nothing can be answered, the call is refused, not each item."""
    empty = ScoringApp(_beyond, Exchange(Service("customer-risk")))
    assert call(empty, "POST", "/ai/v1/risk:batch", json={"requests": [request_]}).status_code == 503


def test_a_room_gets_the_caller_and_its_errors_become_refusals(service, call) -> None:
    """Rooms stand under their paths; what they raise is told as anywhere."""

    async def room(scope, receive, send, caller) -> None:  # noqa: ARG001  a room's signature
        raise Unauthenticated(f"{scope['path']} {caller.name}", remedy="None.")

    scoring_app = ScoringApp(
        _beyond,
        Exchange(service, access=AccessControl(_Guard())),
        endpoints={"/ai/v1/jobs": Mount(room, "score")},
    )
    response = call(scoring_app, "GET", "/ai/v1/jobs/7", headers={"authorization": "scoring"})
    assert (response.status_code, response.json()["detail"]) == (401, "/ai/v1/jobs/7 scoring None.")
    assert call(scoring_app, "GET", "/ai/v1/jobsmore").status_code == 299


def test_a_refusal_keeps_its_headers() -> None:
    """A 401 says which kind of token is wanted."""
    refused = Exchange(Service("x")).refuse(Unauthenticated("No token.", remedy="Send one."), RequestContext("/"))
    assert response_of(refused).headers == (("www-authenticate", "Bearer"),)


def test_an_observer_hears_of_everything(service, call, request_) -> None:
    """Observers hear of each decision, refusal and response, by ASGI's way and by the fast path."""
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
def test_no_body_is_a_fault_of_ours(scoring_app, call, body) -> None:
    """Whatever is sent, bytes or JSON of any shape, the answer is a decision or a refusal that says why."""
    response = call(scoring_app, "POST", "/ai/v1/risk", content=body, headers={"content-type": "application/json"})
    assert response.status_code in {200, 400, 422}
    response.json()
