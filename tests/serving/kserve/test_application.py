"""The whole application: KServe's endpoints and the scoring app, in this process."""

from __future__ import annotations

import asyncio

import pytest

PREDICT = "/v1/models/customer-risk:predict"
READY = ("/v2/health/ready", "/v1/models/customer-risk", "/v2/models/customer-risk/ready")


@pytest.fixture
def loaded(app, model):
    """The application with its bundle verified."""
    model.load()
    return app


def _same(answer: dict) -> dict:
    return {name: value for name, value in answer.items() if name not in {"decision_id", "decided_at"}}


@pytest.mark.parametrize("path", READY)
def test_nothing_is_ready_before_the_bundle_is_verified(app, call, path) -> None:
    """The server's and both protocols' model readiness are 503 until then, whatever KServe would say."""
    response = call(app, "GET", path)
    assert response.status_code == 503
    assert response.json()["type"] == "urn:problem-type:customer-risk:not-ready"


@pytest.mark.parametrize("path", READY)
def test_everything_is_ready_once_it_is(loaded, call, path) -> None:
    """The same three are 200 afterwards."""
    response = call(loaded, "GET", path)
    assert (response.status_code, response.json()["ready"]) == (200, True)


@pytest.mark.parametrize("path", READY)
def test_nothing_is_ready_once_the_model_is_stopped(loaded, model, call, path) -> None:
    """A server on its way out takes no new traffic."""
    model.stop()
    assert call(loaded, "GET", path).status_code == 503


def test_a_probe_before_readiness_leaves_no_log(app, call, caplog) -> None:
    """KServe would log a traceback for each."""
    call(app, "GET", "/v2/health/ready")
    assert caplog.text == ""


def test_kserve_may_not_call_the_model_ready(model) -> None:
    """KServe's start hook sets ready; ours leaves that to the verified bundle."""
    model.start()
    assert not model.ready


@pytest.mark.parametrize("path", ["/healthz", "/", "/v2/health/live"])
def test_liveness_is_true_throughout(app, call, path) -> None:
    """A process that is loading is alive."""
    assert call(app, "GET", path).status_code == 200


@pytest.mark.parametrize("path", [PREDICT, "/ai/v1/risk"])
def test_nothing_is_answered_before_the_bundle_is_verified(app, call, request_, path) -> None:
    """Requests are refused with 503 until then."""
    response = call(app, "POST", path, json=request_ | {"instances": []})
    assert (response.status_code, response.json()["status"]) == (503, 503)


def test_v1_predictions_are_the_scoring_apps_answers(loaded, call, request_, as_columns) -> None:
    """Each of the instances gets what /ai/v1/risk answers to the same object."""
    other = request_ | {"customer_id": "c-2", "transactions": as_columns(request_["transactions"][:3])}
    response = call(loaded, "POST", PREDICT, json={"instances": [request_, other]})
    assert response.status_code == 200
    alone = [call(loaded, "POST", "/ai/v1/risk", json=each).json() for each in (request_, other)]
    assert [_same(each) for each in response.json()["predictions"]] == [_same(each) for each in alone]


def test_many_instances_are_answered_in_order(loaded, call, request_) -> None:
    """More instances than are answered at a time come back in their order."""
    instances = [request_ | {"customer_id": f"c-{i}"} for i in range(40)]
    predictions = call(loaded, "POST", PREDICT, json={"instances": instances}).json()["predictions"]
    assert [each["customer_id"] for each in predictions] == [f"c-{i}" for i in range(40)]


def test_v1_names_the_bad_fields_of_all_instances(loaded, call, request_) -> None:
    """The pointers lead through the list of instances."""
    bad = request_ | {"customer_id": 7}
    response = call(loaded, "POST", PREDICT, json={"instances": [bad, request_, bad, "x"]})
    assert response.status_code == 422
    pointers = [each["pointer"] for each in response.json()["errors"]]
    assert pointers == ["/instances/0/customer_id", "/instances/2/customer_id", "/instances/3"]


@pytest.mark.parametrize("body", [{}, {"instances": {}}, {"instances": None}, [], 3])
def test_v1_without_a_list_of_instances_is_a_422(loaded, call, body) -> None:
    """The protocol's one field is named."""
    response = call(loaded, "POST", PREDICT, json=body)
    assert response.status_code == 422
    assert [each["pointer"] for each in response.json()["errors"]] == ["/instances"]


def test_v1_takes_json_with_a_charset(loaded, call, request_) -> None:
    """KServe decodes `application/json` alone; its parameters are no reason to refuse."""
    headers = {"content-type": "application/json; charset=utf-8"}
    assert call(loaded, "POST", PREDICT, json={"instances": [request_]}, headers=headers).status_code == 200


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8"])
def test_malformed_v1_bodies_are_a_400(loaded, call, media_type) -> None:
    """Whoever decodes, what isn't JSON is refused in the same form."""
    response = call(loaded, "POST", PREDICT, content=b"{", headers={"content-type": media_type})
    assert (response.status_code, response.json()["type"]) == (400, "urn:problem-type:customer-risk:malformed-body")


def test_v1_refuses_other_media_types(loaded, call) -> None:
    """A form is a 415."""
    response = call(loaded, "POST", PREDICT, data={"instances": "x"})
    assert (response.status_code, response.json()["status"]) == (415, 415)


def test_v1_bodies_are_bounded(loaded, call) -> None:
    """KServe reads a body whole; the scoring app's bound holds for it too."""
    from customer_risk.serving.http.body import MOST_BYTES

    headers = {"content-type": "application/json"}
    response = call(loaded, "POST", PREDICT, content=b" " * (MOST_BYTES + 1), headers=headers)
    assert (response.status_code, response.json()["status"]) == (413, 413)


def test_another_models_name_is_a_404(loaded, call) -> None:
    """A model that isn't served is named as such."""
    response = call(loaded, "POST", "/v1/models/other:predict", json={"instances": []})
    assert (response.status_code, response.json()["type"]) == (404, "urn:problem-type:customer-risk:unknown-model")


@pytest.mark.parametrize(
    ("method", "path", "status", "kind", "allowed"),
    [
        ("GET", "/nowhere", 404, "not-found", None),
        ("GET", "/v2/models/customer-risk/infer", 405, "wrong-method", "POST"),
        ("DELETE", "/v1/models", 405, "wrong-method", "GET"),
    ],
)
def test_what_the_router_refuses_is_a_problem_document_too(loaded, call, method, path, status, kind, allowed) -> None:
    """A path that isn't there, a method that it doesn't have: told as all else, with the methods that there are."""
    response = call(loaded, method, path)
    form = "application/json" if path.startswith(("/v1/", "/v2/")) else "application/problem+json"
    assert response.headers["content-type"] == form
    assert (response.status_code, response.json()["type"]) == (status, f"urn:problem-type:customer-risk:{kind}")
    assert response.headers.get("allow") == allowed


@pytest.mark.parametrize("action", ["load", "unload"])
def test_no_caller_can_change_the_model(loaded, call, action) -> None:
    """KServe's repository endpoints, which anyone could call, are refused; the model stays."""
    assert call(loaded, "POST", f"/v2/repository/models/customer-risk/{action}").status_code == 501
    assert call(loaded, "GET", "/v2/health/ready").status_code == 200


def test_v1_explanations_point_to_predictions(loaded, call, request_) -> None:
    """Reasons come with every prediction, so :explain says so."""
    response = call(loaded, "POST", "/v1/models/customer-risk:explain", json={"instances": [request_]})
    assert response.status_code == 501
    assert ":predict" in response.json()["detail"]


def test_what_comes_while_draining_is_answered(loaded, model, call, request_) -> None:
    """A server on its way out refuses nobody who is there already."""
    model.stop()
    assert call(loaded, "POST", PREDICT, json={"instances": [request_]}).status_code == 200


def test_kserves_metrics_have_no_path_of_their_own(loaded, call) -> None:
    """KServe's application doesn't answer /metrics."""
    assert call(loaded, "GET", "/metrics").status_code == 404


def test_a_fault_of_ours_in_v1_is_a_500_that_is_logged(loaded, model, call, request_, caplog) -> None:
    """The caller learns nothing of the inside; the log has the cause."""
    model.service._decider._scorer = None
    response = call(loaded, "POST", PREDICT, json={"instances": [request_]})
    assert (response.status_code, response.json()["status"]) == (500, 500)
    assert "NoneType" not in response.text
    assert "AttributeError" in caplog.text


@pytest.mark.parametrize("path", [PREDICT, "/v2/models/customer-risk/infer", "/ai/v1/risk", "/ai/v1/risk:batch"])
def test_a_client_that_disconnects_within_a_body_leaves_no_log(loaded, caplog, path) -> None:
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

    asyncio.run(loaded(scope, receive, send))
    assert caplog.text == ""
    assert [each.get("status") for each in sent] in ([], [499, None])


@pytest.mark.parametrize("path", ["/v2/health/ready/", "/v1/models/", "/v2/"])
def test_a_path_with_a_slash_at_its_end_is_not_redirected(loaded, call, path) -> None:
    """A path with a slash at its end gets 404, not a redirect to a Location made from the request's Host header."""
    assert call(loaded, "GET", path).status_code == 404
