"""The lane: /ai/v1/risk over HTTP, in this process."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.body import MOST_BYTES
from serving.errors import NotReady
from serving.lane import Lane

_FIELDS = ["customer_id", "profile", "transactions", "features", "history_complete", "id", "amount", "created_at"]


async def _beyond(scope, receive, send) -> None:  # noqa: ARG001  an ASGI application's signature
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"beyond"})


@pytest.fixture
def lane(decider) -> Lane:
    """A lane ahead of an application that answers everything with 299."""
    return Lane(_beyond, lambda: decider, explain=True)


def _problem(response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    return response.status_code, document["type"].rpartition(":")[2]


def test_a_request_is_answered(lane, call, decider, request_) -> None:
    """A sound request gets 200 and the decider's answer as JSON."""
    response = call(lane, "POST", "/ai/v1/risk", json=request_)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    expected = decider.answer(json.dumps(request_).encode())
    assert response.json()["probability"] == expected.decision.probability
    assert response.json()["reasons"][0]["contribution"] == expected.decision.reasons[0].contribution


def test_without_the_scope_no_explanation_leaves(decider, call, request_) -> None:
    """A lane that doesn't explain shows codes, customer-safe wording and directions."""
    response = call(Lane(_beyond, lambda: decider, explain=False), "POST", "/ai/v1/risk", json=request_)
    assert all(set(reason) == {"code", "text", "direction"} for reason in response.json()["reasons"])


def test_bad_fields_are_a_422_that_names_them(lane, call, request_) -> None:
    """The problem document lists every pointer."""
    request_["transactions"][0]["amount"] = "12.50"
    request_["customer_id"] = None
    response = call(lane, "POST", "/ai/v1/risk", json=request_)
    assert _problem(response) == (422, "bad-fields")
    assert {each["pointer"] for each in response.json()["errors"]} == {"/customer_id", "/transactions/0/amount"}


def test_malformed_json_is_a_400(lane, call) -> None:
    """A body that isn't JSON says where it broke."""
    response = call(lane, "POST", "/ai/v1/risk", content=b'{"a": ', headers={"content-type": "application/json"})
    assert _problem(response) == (400, "malformed-body")


def test_another_media_type_is_a_415(lane, call) -> None:
    """What curl sends by default is refused with the header to use."""
    response = call(lane, "POST", "/ai/v1/risk", data={"customer_id": "c-1"})
    assert _problem(response) == (415, "wrong-media-type")
    assert "Content-Type: application/json" in response.json()["detail"]


def test_too_large_a_body_is_a_413(lane, call) -> None:
    """A body past the bound is refused."""
    content = b" " * (MOST_BYTES + 1)
    response = call(lane, "POST", "/ai/v1/risk", content=content, headers={"content-type": "application/json"})
    assert _problem(response) == (413, "body-too-large")


def test_another_method_is_a_405(lane, call) -> None:
    """GET is refused with the method that is allowed."""
    response = call(lane, "GET", "/ai/v1/risk")
    assert _problem(response) == (405, "wrong-method")
    assert response.headers["allow"] == "POST"


def test_without_a_verified_bundle_it_is_a_503(call, request_) -> None:
    """A caller is told to come back."""

    def not_ready():
        raise NotReady("No bundle is verified yet.", remedy="Try again.")

    response = call(Lane(_beyond, not_ready, explain=True), "POST", "/ai/v1/risk", json=request_)
    assert _problem(response) == (503, "not-ready")
    assert response.headers["retry-after"] == "1"


def test_a_fault_of_ours_is_a_500_that_is_logged(call, request_, caplog) -> None:
    """The caller learns nothing of the inside; the log has the cause."""

    def broken():
        raise ZeroDivisionError("inside")

    response = call(Lane(_beyond, broken, explain=True), "POST", "/ai/v1/risk", json=request_)
    assert _problem(response) == (500, "unexpected")
    assert "inside" not in response.text
    assert "ZeroDivisionError: inside" in caplog.text


def test_a_refused_request_is_not_logged(lane, call, caplog) -> None:
    """A caller's mistakes, which may hold personal data, leave no line."""
    call(lane, "POST", "/ai/v1/risk", json={"customer_id": 7})
    assert caplog.text == ""


def test_a_caller_who_hangs_up_gets_no_answer(lane) -> None:
    """Nothing is sent to nobody."""
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    asyncio.run(lane({"type": "http", "path": "/ai/v1/risk", "method": "POST", "headers": headers}, receive, send))
    assert sent == []


def test_liveness_needs_no_model(call) -> None:
    """/healthz answers whatever the model's state."""
    response = call(Lane(_beyond, lambda: 1 / 0, explain=True), "GET", "/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


def test_every_other_path_is_passed_on(lane, call) -> None:
    """The lane takes its own paths alone."""
    assert call(lane, "POST", "/v1/models/customer-risk:predict").status_code == 299


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aµ\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_FIELDS) | st.text(), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=40) | _JSON.map(lambda document: json.dumps(document).encode()))
def test_no_body_is_a_fault_of_ours(lane, call, body) -> None:
    """Whatever is sent, bytes or JSON of any shape, the answer is a decision or a refusal that says why."""
    response = call(lane, "POST", "/ai/v1/risk", content=body, headers={"content-type": "application/json"})
    assert response.status_code in {200, 400, 422}
    response.json()
