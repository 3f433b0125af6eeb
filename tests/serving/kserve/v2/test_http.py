"""V2 over HTTP, in this process."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from kserve.protocol.infer_type import InferInput, InferRequest, RequestedOutput

from customer_risk.serving.kserve.v2.tensors import to_binary

INFER = "/v2/models/customer-risk/infer"


def _bytes(name, values):
    return {"name": name, "datatype": "BYTES", "shape": [len(values)], "data": values}


def _features(names, rows):
    return {"name": "features", "datatype": "FP64", "shape": [len(rows), len(names)], "data": rows}


def _same(answer: dict) -> dict:
    return {name: value for name, value in answer.items() if name not in {"decision_id", "decided_at"}}


def _outputs(response) -> dict:
    assert response.status_code == 200, response.text
    return {each["name"]: each["data"] for each in response.json()["outputs"]}


def _pointers(response) -> list[str]:
    assert response.status_code == 422, response.text
    return [each["pointer"] for each in response.json()["errors"]]


def test_request_tensors_get_the_answers_of_the_service(ready, call, request_) -> None:
    """Requests as texts get the answers of /ai/v1/risk, to the bit."""
    out = _outputs(call(ready, "POST", INFER, json={"id": "7", "inputs": [_bytes("request", [json.dumps(request_)])]}))
    alone = call(ready, "POST", "/ai/v1/risk", json=request_).json()
    assert _same(json.loads(out["answer"][0])) == _same(alone)
    assert (out["probability"], out["segment"], out["action"]) == (
        [alone["probability"]],
        [alone["segment"]],
        [alone["action"]],
    )


@pytest.mark.parametrize("nested", [False, True])
def test_feature_tensors_get_the_same_answer(ready, model, call, request_, nested) -> None:
    """Features in one tensor, or in one tensor each, get the decision of the same features as JSON."""
    names = model.service.names()
    values = model.service.answer(json.dumps(request_).encode()).basis.values
    row = [None if math.isnan(value) else value for value in values.tolist()]
    alone = call(
        ready, "POST", "/ai/v1/risk", json={"customer_id": "c-1", "features": dict(zip(names, row, strict=True))}
    ).json()
    whole = _features(names, [row]) | ({} if nested else {"data": row})
    singles = [
        {"name": name, "datatype": "FP64", "shape": [1, 1], "data": [value]}
        for name, value in zip(names, row, strict=True)
    ]
    for inputs in ([whole], singles):
        out = _outputs(call(ready, "POST", INFER, json={"inputs": [_bytes("customer_id", ["c-1"]), *inputs]}))
        assert _same(json.loads(out["answer"][0])) == _same(alone)


def test_kserves_own_client_can_send_and_read_binary_tensors(ready, model, call) -> None:
    """Tensors written by KServe's codec are read, NaN included, and binary outputs are returned on request."""
    names = model.service.names()
    ids = InferInput("customer_id", [2], "BYTES")
    ids.set_data_from_numpy(np.array([b"c-1", b"c-2"], object))
    rows = InferInput("features", [2, len(names)], "FP64")
    rows.set_data_from_numpy(np.array([[1.0] * len(names), [math.nan] * len(names)]))
    asked = [RequestedOutput("probability", {"binary_data": True})]
    body, length = InferRequest("customer-risk", [ids, rows], request_outputs=asked).to_rest()
    headers = {"inference-header-content-length": str(length), "content-type": "application/octet-stream"}
    response = call(ready, "POST", INFER, content=body, headers=headers)
    assert response.status_code == 200, response.text
    found = np.frombuffer(response.content[int(response.headers["inference-header-content-length"]) :], "<f8")
    expected = [model.service.answer_values("c", row).decision.probability for row in rows.as_numpy()]
    assert found.tolist() == expected


def test_bad_tensors_are_named(ready, model, call, request_) -> None:
    """Each mistake is a 422 with the pointer of its tensor or value."""
    names = model.service.names()
    ids = _bytes("customer_id", ["c-1"])
    row = _features(names, [[0.5] * len(names)])
    bad = request_ | {"customer_id": 7}
    cases = [
        ([_bytes("request", ["{", json.dumps(bad)])], ["/inputs/0/data/0", "/inputs/0/data/1/customer_id"]),
        ([ids, row | {"datatype": "FP32"}], ["/inputs/1/datatype"]),
        ([ids, row | {"shape": [len(names), 1]}], ["/inputs/1/shape"]),
        ([ids, row | {"name": "nothing"}], ["/inputs/1/name"]),
        ([ids, row | {"data": ["x", *[0.5] * (len(names) - 1)]}], ["/inputs/1/data/0"]),
        ([ids, row, row], ["/inputs/1/name", "/inputs/2/name"]),
        ([row], ["/inputs"]),
        ([ids], ["/inputs"] * len(names)),
        ([ids, _bytes("request", ["{}"])], ["/inputs/0/name"]),
        ([_bytes("customer_id", [""]), row], ["/inputs/0/data/0"]),
        ([{"name": "request"}], ["/inputs/0"]),
        ([], ["/inputs"]),
    ]
    for inputs, pointers in cases:
        assert _pointers(call(ready, "POST", INFER, json={"inputs": inputs})) == pointers


def test_a_tensor_that_is_not_utf_8_is_a_400(ready, call) -> None:
    """A text in a tensor that isn't UTF-8 is refused like the body."""
    body = b'{"inputs": [{"name": "\xff", "datatype": "BYTES", "shape": [1], "data": ["{}"]}]}'
    response = call(ready, "POST", INFER, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400, response.text
    assert response.json()["type"].endswith(":malformed-body")


def test_outputs_can_be_chosen(ready, call, request_) -> None:
    """Only the named outputs are returned; an unknown one is refused by its pointer."""
    inputs = [_bytes("request", [json.dumps(request_)])]
    response = call(ready, "POST", INFER, json={"inputs": inputs, "outputs": [{"name": "segment"}]})
    assert list(_outputs(response)) == ["segment"]
    response = call(ready, "POST", INFER, json={"inputs": inputs, "outputs": [{"name": "x"}]})
    assert _pointers(response) == ["/outputs/0/name"]


def test_metadata_has_name_version_inputs_and_outputs(ready, model, call) -> None:
    """Metadata has the name, version, inputs and outputs; another name or version gets 404."""
    version = model.service.model().version
    told = call(ready, "GET", "/v2/models/customer-risk").json()
    assert (told["name"], told["versions"]) == ("customer-risk", [version])
    assert {"name": "features", "datatype": "FP64", "shape": [-1, len(model.service.names())]} in told["inputs"]
    assert [each["name"] for each in told["outputs"]] == ["probability", "segment", "action", "answer"]
    assert call(ready, "GET", f"/v2/models/customer-risk/versions/{version}/ready").status_code == 200
    assert call(ready, "GET", "/v2/models/customer-risk/versions/1").status_code == 404
    assert call(ready, "POST", "/v2/models/other/infer", json={}).status_code == 404
    assert call(ready, "GET", "/v2").json()["extensions"] == ["binary_tensor_data"]
    assert call(ready, "GET", "/v2/models").json() == {"models": ["customer-risk"]}


def test_more_than_a_thousand_customers_are_a_413(ready, call) -> None:
    """A call with too many customers is refused."""
    response = call(ready, "POST", INFER, json={"inputs": [_bytes("request", ["{}"] * 1001)]})
    assert response.status_code == 413


_NULLS = {"id": None, "parameters": None, "outputs": None, "model_name": None}
_TENSOR_NULLS = {"parameters": None}


def test_null_counts_as_left_out(ready, call, request_) -> None:
    """An optional member that is null counts as left out."""
    tensor = _bytes("request", [json.dumps(request_)])
    plain = call(ready, "POST", INFER, json={"inputs": [tensor]})
    nulls = call(ready, "POST", INFER, json={"inputs": [tensor | _TENSOR_NULLS], **_NULLS})
    assert (nulls.status_code, "id" in nulls.json()) == (200, False), nulls.text
    assert _outputs(nulls)["probability"] == _outputs(plain)["probability"]
    assert list(_outputs(nulls)) == list(_outputs(plain))
    chosen = [{"name": "segment", "parameters": None}, {"name": "action", "parameters": {"binary_data": None}}]
    response = call(ready, "POST", INFER, json={"inputs": [tensor], "outputs": chosen})
    assert list(_outputs(response)) == ["segment", "action"]


@pytest.mark.parametrize("member", ["binary_data_size", "binary_data", "binary_data_output", "anything"])
@pytest.mark.parametrize("place", ["request", "input", "output"])
def test_null_parameters_count_as_left_out(ready, call, request_, member, place) -> None:
    """A parameter of a request, an input or an output that is null counts as left out."""
    body = {"inputs": [_bytes("request", [json.dumps(request_)])], "outputs": [{"name": "segment"}]}
    holder = {"request": body, "input": body["inputs"][0], "output": body["outputs"][0]}[place]
    holder["parameters"] = {member: None}
    assert list(_outputs(call(ready, "POST", INFER, json=body))) == ["segment"]


def test_null_data_beside_binary_data_is_accepted(ready, call, request_) -> None:
    """A tensor with binary data may have `data: null`."""
    raw = to_binary([json.dumps(request_).encode()])
    tensor = {"name": "request", "datatype": "BYTES", "shape": [1], "data": None}
    document = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": len(raw)}}]}).encode()
    headers = {"inference-header-content-length": str(len(document))}
    assert len(_outputs(call(ready, "POST", INFER, content=document + raw, headers=headers))) == 4
    missing = call(ready, "POST", INFER, json={"inputs": [tensor]})
    assert _pointers(missing) == ["/inputs/0/data"]


@pytest.mark.parametrize("member", ["name", "datatype", "shape"])
def test_null_for_a_required_member_is_refused(ready, call, member) -> None:
    """A tensor needs its name, datatype and shape; a call needs its inputs."""
    tensor = _bytes("request", ["{}"]) | {member: None}
    assert _pointers(call(ready, "POST", INFER, json={"inputs": [tensor]})) == [f"/inputs/0/{member}"]
    assert _pointers(call(ready, "POST", INFER, json={"inputs": None})) == ["/inputs"]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("media_type", [None, "application/octet-stream"])
def test_json_and_binary_bodies_need_no_content_type(ready, call, request_, binary, media_type) -> None:
    """JSON, with or without binary tensors, may have no Content-Type or be octets, as Triton's clients send it."""
    text = json.dumps(request_).encode()
    raw = to_binary([text]) if binary else b""
    tensor = {"name": "request", "datatype": "BYTES", "shape": [1]}
    tensor |= {"parameters": {"binary_data_size": len(raw)}} if binary else {"data": [text.decode()]}
    document = json.dumps({"inputs": [tensor]}).encode()
    headers = {"inference-header-content-length": str(len(document))} if binary else {}
    headers |= {} if media_type is None else {"content-type": media_type}
    assert len(_outputs(call(ready, "POST", INFER, content=document + raw, headers=headers))) == 4


@pytest.mark.parametrize(
    "path", ["/ai/v1/risk", "/ai/v1/risk:batch", "/v1/models/customer-risk:predict", "/v2/models/customer-risk/infer"]
)
def test_a_body_without_content_type_is_json(ready, call, request_, path) -> None:
    """Every route that takes only JSON accepts a body without Content-Type."""
    bodies = {"risk": request_, "batch": {"requests": [request_]}, "predict": {"instances": [request_]}}
    body = bodies.get(path.rpartition(":")[2], request_ | {"inputs": [_bytes("request", [json.dumps(request_)])]})
    response = call(ready, "POST", path, content=json.dumps(body).encode())
    assert response.status_code == 200, response.text
