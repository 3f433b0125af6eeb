"""The whole application: KServe's endpoints and the scoring app, in this process."""

from __future__ import annotations

import asyncio

import pytest

PREDICT = "/v1/models/customer-risk:predict"
READY = ("/v2/health/ready", "/v1/models/customer-risk", "/v2/models/customer-risk/ready")


def _same(answer: dict) -> dict:
    return {name: value for name, value in answer.items() if name not in {"decision_id", "decided_at"}}


@pytest.mark.parametrize("path", READY)
def test_readiness_begins_with_the_bundle_and_ends_with_draining(ready, model, call, path) -> None:
    """The readiness of the server and of the model is 200 with a bundle, and 503 while draining."""
    response = call(ready, "GET", path)
    assert (response.status_code, response.json()["ready"]) == (200, True)
    model.stop()
    assert call(ready, "GET", path).status_code == 503


def test_a_probe_before_readiness_leaves_no_log(app, call, caplog) -> None:
    """A probe of a server that isn't ready logs no traceback."""
    call(app, "GET", "/v2/health/ready")
    assert caplog.text == ""


def test_kserves_start_hook_does_not_make_the_model_ready(model) -> None:
    """KServe's start hook doesn't make the model ready."""
    model.start()
    assert not model.ready


@pytest.mark.parametrize("path", ["/healthz", "/", "/v2/health/live"])
def test_liveness_is_true_throughout(app, call, path) -> None:
    """A process that loads a bundle is alive."""
    assert call(app, "GET", path).status_code == 200


def test_v1_predictions_are_the_scoring_apps_answers(ready, call, request_, as_columns) -> None:
    """Each instance gets the answer of /ai/v1/risk to the same object."""
    other = request_ | {"customer_id": "c-2", "transactions": as_columns(request_["transactions"][:3])}
    response = call(ready, "POST", PREDICT, json={"instances": [request_, other]})
    assert response.status_code == 200
    alone = [call(ready, "POST", "/ai/v1/risk", json=each).json() for each in (request_, other)]
    assert [_same(each) for each in response.json()["predictions"]] == [_same(each) for each in alone]


def test_many_instances_are_answered_in_order(ready, call, request_) -> None:
    """Many instances are answered in their order."""
    instances = [request_ | {"customer_id": f"c-{i}"} for i in range(40)]
    predictions = call(ready, "POST", PREDICT, json={"instances": instances}).json()["predictions"]
    assert [each["customer_id"] for each in predictions] == [f"c-{i}" for i in range(40)]


def test_v1_names_the_bad_fields_of_all_instances(ready, call, request_) -> None:
    """Pointers lead into the list of instances."""
    bad = request_ | {"customer_id": 7}
    response = call(ready, "POST", PREDICT, json={"instances": [bad, request_, bad, "x"]})
    assert response.status_code == 422
    pointers = [each["pointer"] for each in response.json()["errors"]]
    assert pointers == ["/instances/0/customer_id", "/instances/2/customer_id", "/instances/3"]


@pytest.mark.parametrize("body", [{}, {"instances": {}}, {"instances": None}, [], 3])
def test_v1_without_a_list_of_instances_is_a_422(ready, call, body) -> None:
    """A body without instances is refused with the name of that field."""
    response = call(ready, "POST", PREDICT, json=body)
    assert response.status_code == 422
    assert [each["pointer"] for each in response.json()["errors"]] == ["/instances"]


def test_v1_takes_json_with_a_charset(ready, call, request_) -> None:
    """`application/json` with parameters is accepted."""
    headers = {"content-type": "application/json; charset=utf-8"}
    assert call(ready, "POST", PREDICT, json={"instances": [request_]}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "kind", "allowed"),
    [
        ("GET", "/nowhere", 404, "not-found", None),
        ("GET", "/v2/models/customer-risk/infer", 405, "wrong-method", "POST"),
        ("DELETE", "/v1/models", 405, "wrong-method", "GET"),
    ],
)
def test_an_unknown_path_or_method_is_a_problem_document(ready, call, method, path, status, kind, allowed) -> None:
    """An unknown path and an unsupported method get problem documents, the latter with the supported methods."""
    response = call(ready, method, path)
    form = "application/json" if path.startswith(("/v1/", "/v2/")) else "application/problem+json"
    assert response.headers["content-type"] == form
    assert (response.status_code, response.json()["type"]) == (status, f"urn:problem-type:customer-risk:{kind}")
    assert response.headers.get("allow") == allowed


@pytest.mark.parametrize("action", ["load", "unload"])
def test_no_caller_can_change_the_model(ready, call, action) -> None:
    """KServe's repository endpoints are refused, and the model stays."""
    assert call(ready, "POST", f"/v2/repository/models/customer-risk/{action}").status_code == 501
    assert call(ready, "GET", "/v2/health/ready").status_code == 200


def test_a_draining_server_answers_requests(ready, model, call, request_) -> None:
    """A draining server still answers requests."""
    model.stop()
    assert call(ready, "POST", PREDICT, json={"instances": [request_]}).status_code == 200


def test_kserves_application_has_no_metrics_path(ready, call) -> None:
    """KServe's application doesn't answer /metrics."""
    assert call(ready, "GET", "/metrics").status_code == 404


def test_an_unexpected_error_in_v1_is_a_500_that_is_logged(ready, model, call, request_, caplog) -> None:
    """An unexpected error is a 500 without details; the log has its cause."""
    model.service._decider._scorer = None
    response = call(ready, "POST", PREDICT, json={"instances": [request_]})
    assert (response.status_code, response.json()["status"]) == (500, 500)
    assert "NoneType" not in response.text
    assert "AttributeError" in caplog.text


@pytest.mark.parametrize("path", [PREDICT, "/v2/models/customer-risk/infer", "/ai/v1/risk", "/ai/v1/risk:batch"])
def test_a_client_that_disconnects_within_a_body_leaves_no_log(ready, caplog, path) -> None:
    """A client that disconnects before its body is complete causes no log line, on any path."""
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode()}
    scope |= {"query_string": b"", "root_path": "", "scheme": "http", "client": ("127.0.0.1", 1)}
    scope["headers"] = [(b"content-type", b"application/json"), (b"host", b"x")]
    messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[dict] = []

    async def receive() -> dict:
        return messages.pop(0)

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(ready(scope, receive, send))
    assert caplog.text == ""
    assert [each.get("status") for each in sent] in ([], [499, None])


@pytest.mark.parametrize("path", ["/v2/health/ready/", "/v1/models/", "/v2/"])
def test_a_path_with_a_slash_at_its_end_is_not_redirected(ready, call, path) -> None:
    """A path with a slash at its end gets 404, not a redirect to a Location made from the request's Host header."""
    assert call(ready, "GET", path).status_code == 404
