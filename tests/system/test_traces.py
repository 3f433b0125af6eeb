"""Spans of a real server, at a collector that speaks OTLP."""

from __future__ import annotations

import itertools
import json
import signal
import time
from typing import Any

import grpc
import httpx2
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as kserve_pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as kserve_stubs
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from k8s.local_monitoring.programs import free_port
from tests.system.asking import PATIENCE, ask
from tests.system.collector import attributes, collecting

pytestmark = pytest.mark.system

_STAGES = ["decode", "features", "score", "record"]
_PARENT = "00f067aa0ba902b7"


def _trace(number: int, *, sampled: bool = True) -> tuple[str, dict[str, str]]:
    """Return a trace's id, and the header of a caller's span in it."""
    trace_id = f"{number:032x}"
    return trace_id, {"traceparent": f"00-{trace_id}-{_PARENT}-0{int(sampled)}"}


@pytest.fixture(scope="module")
def traced(start, command, bundle, tmp_path_factory):
    """A server of two workers that records and exports each call, its collector, and its gRPC port."""
    folder = tmp_path_factory.mktemp("traced")
    grpc_port = free_port()
    with collecting() as collector:
        settings = {
            "server": {"workers": 2},
            "tracing": {"endpoint": f"http://127.0.0.1:{collector.port}", "share": 1},
            "grpc": {"enabled": True, "port": grpc_port},
            "record": {"enabled": True, "folder": str(folder / "outbox"), "ship": {"embedded": False}},
            "logs": {"format": "json", "success_share": 1},
        }
        (folder / "serving.yaml").write_text(json.dumps(settings))
        server = start(command, bundle, "--config", str(folder / "serving.yaml"))
        server.wait_for("/v2/health/ready")
        yield server, collector, grpc_port


def _post(server: Any, path: str, document: Any, headers: dict[str, str]) -> httpx2.Response:
    return ask("POST", f"http://127.0.0.1:{server.port}{path}", json=document, headers=headers)


def test_a_call_has_a_span_with_its_stages(traced, sound_request) -> None:
    """The call's span continues the caller's trace; decode, features, score and record follow each other in it."""
    server, collector, _ = traced
    trace_id, headers = _trace(1)
    before = time.time_ns()
    response = _post(server, "/ai/v1/risk", sound_request, headers)
    answer = response.json()
    spans = collector.of(trace_id, 5)
    call = spans.pop("/ai/v1/risk")
    assert (call.kind, call.parent_span_id.hex()) == (Span.SPAN_KIND_SERVER, _PARENT)
    assert response.headers.get("traceparent", f"-{call.span_id.hex()}-").split("-")[-2] == call.span_id.hex()
    assert before <= call.start_time_unix_nano <= call.end_time_unix_nano <= time.time_ns()
    assert attributes(call) == {
        "http.route": "/ai/v1/risk",
        "http.response.status_code": 200,
        "customer_risk.customers": 1,
        "customer_risk.source": "model",
        "customer_risk.model": answer["model"]["version"],
        "customer_risk.decision_id": answer["decision_id"],
    }
    assert set(spans) == set(_STAGES)
    assert {each.parent_span_id for each in spans.values()} == {call.span_id}
    times = [(spans[name].start_time_unix_nano, spans[name].end_time_unix_nano) for name in _STAGES]
    assert all(began < ended for began, ended in times)
    assert all(abs(left[1] - right[0]) < 1000 for left, right in itertools.pairwise(times))
    # Each time is rounded to a nanosecond, from a float.
    assert call.start_time_unix_nano - 1000 <= times[0][0]
    assert times[-1][1] <= call.end_time_unix_nano + 1000
    assert sound_request["customer_id"] not in str(collector.spans)


def test_the_log_line_names_the_calls_span(traced, sound_request) -> None:
    """The line of a decision has the trace and the span that the collector gets."""
    server, collector, _ = traced
    trace_id, headers = _trace(2)
    decision = _post(server, "/ai/v1/risk", sound_request, headers).json()["decision_id"]
    call = collector.of(trace_id, 5)["/ai/v1/risk"]
    deadline = time.monotonic() + PATIENCE
    while decision not in (log := server.log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (line,) = [json.loads(each) for each in log.splitlines() if decision in each]
    assert line["logging.googleapis.com/trace"].endswith(trace_id)
    assert line["logging.googleapis.com/spanId"] == call.span_id.hex()


def test_a_batch_has_one_span_a_stage(traced, sound_request) -> None:
    """Twenty customers have one span for the call and one for each stage."""
    server, collector, _ = traced
    trace_id, headers = _trace(3)
    assert _post(server, "/ai/v1/risk:batch", {"requests": [sound_request] * 20}, headers).status_code == 200
    spans = collector.of(trace_id, 5)
    assert sum(each.trace_id.hex() == trace_id for each in collector.spans) == 5
    assert set(spans) == {"/ai/v1/risk:batch", *_STAGES}
    assert attributes(spans["/ai/v1/risk:batch"])["customer_risk.customers"] == 20


@pytest.mark.parametrize(
    ("number", "path", "document"),
    [
        (4, "/v1/models/customer-risk:predict", {"instances": ["REQUEST"]}),
        (
            5,
            "/v2/models/customer-risk/infer",
            {"inputs": [{"name": "request", "shape": [1], "datatype": "BYTES", "data": ["REQUEST"]}]},
        ),
    ],
)
def test_kserves_calls_have_the_same_stages(traced, sound_request, number, path, document) -> None:
    """Calls of KServe's V1 and V2 have a span with the same stages."""
    server, collector, _ = traced
    asked = sound_request if number == 4 else json.dumps(sound_request)
    filled = json.loads(json.dumps(document).replace('"REQUEST"', json.dumps(asked)))
    trace_id, headers = _trace(number)
    assert _post(server, path, filled, headers).status_code == 200
    assert set(_STAGES) < set(collector.of(trace_id, 5))


def test_a_grpc_call_has_the_same_stages(traced, sound_request) -> None:
    """A ModelInfer call has a span named after its method."""
    _, collector, port = traced
    trace_id, headers = _trace(6)
    tensor = kserve_pb.ModelInferRequest.InferInputTensor(name="request", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(json.dumps(sound_request).encode())
    message = kserve_pb.ModelInferRequest(model_name="customer-risk", inputs=[tensor])
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        metadata = tuple(headers.items())
        kserve_stubs.GRPCInferenceServiceStub(channel).ModelInfer(message, metadata=metadata, timeout=PATIENCE)
    assert {"grpc:ModelInfer", *_STAGES} <= set(collector.of(trace_id, 5))


def test_a_refusal_has_its_kind(traced) -> None:
    """A refused call has a span with its status and the kind of the refusal, without stages."""
    server, collector, _ = traced
    trace_id, headers = _trace(7)
    assert _post(server, "/ai/v1/risk", {"customer_id": 7}, headers).status_code == 422
    spans = collector.of(trace_id, 1)
    assert set(spans) == {"/ai/v1/risk"}
    shown = attributes(spans["/ai/v1/risk"])
    assert (shown["http.response.status_code"], shown["customer_risk.refusal"]) == (422, "bad-fields")
    assert spans["/ai/v1/risk"].status.code == Status.STATUS_CODE_UNSET


def test_a_caller_that_does_not_sample_gets_no_span(traced, sound_request) -> None:
    """The caller's decision is followed; a call without a trace is traced by the share, here all."""
    server, collector, _ = traced
    unsampled, headers = _trace(8, sampled=False)
    _post(server, "/ai/v1/risk", sound_request, headers)
    alone = _post(server, "/ai/v1/risk", sound_request, {}).json()["decision_id"]
    deadline = time.monotonic() + PATIENCE
    while alone not in str(collector.spans):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not [each for each in collector.spans if each.trace_id.hex() == unsampled]
    (call,) = [each for each in collector.spans if attributes(each).get("customer_risk.decision_id") == alone]
    assert call.parent_span_id == b""


def test_the_resource_names_the_service(traced, sound_request) -> None:
    """The spans' resource has the model's name and the service's version."""
    server, collector, _ = traced
    trace_id, headers = _trace(9)
    _post(server, "/ai/v1/risk", sound_request, headers)
    collector.of(trace_id, 5)
    assert collector.resources[-1].keys() >= {"service.name", "service.version", "service.instance.id"}
    assert collector.resources[-1]["service.name"] == "customer-risk"


def _serve(start, command, bundle, folder, endpoint: str) -> Any:
    (folder / "serving.yaml").write_text(json.dumps({"tracing": {"endpoint": endpoint, "share": 1}}))
    server = start(command, bundle, "--config", str(folder / "serving.yaml"))
    server.wait_for("/v2/health/ready")
    return server


def test_a_collector_that_is_away_harms_no_answer(start, command, bundle, tmp_path, sound_request) -> None:
    """Without a collector all requests are answered; spans arrive once it is there."""
    port = free_port()
    server = _serve(start, command, bundle, tmp_path, f"http://127.0.0.1:{port}")
    for number in range(200):
        assert _post(server, "/ai/v1/risk", sound_request, _trace(1000 + number)[1]).status_code == 200
    with collecting(port) as collector:
        deadline, number = time.monotonic() + PATIENCE, 2000
        while not collector.spans:
            assert time.monotonic() < deadline
            number += 1
            assert _post(server, "/ai/v1/risk", sound_request, _trace(number)[1]).status_code == 200
            time.sleep(0.2)


def test_the_last_spans_are_sent_before_the_end(start, command, bundle, tmp_path, sound_request) -> None:
    """SIGTERM right after a call: its spans arrive, and the server ends with 0."""
    with collecting() as collector:
        server = _serve(start, command, bundle, tmp_path, f"http://127.0.0.1:{collector.port}")
        trace_id, headers = _trace(10)
        assert _post(server, "/ai/v1/risk", sound_request, headers).status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
        assert len(collector.of(trace_id, 5)) == 5
