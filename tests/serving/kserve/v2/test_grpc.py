"""V2 by gRPC, on a real port under uvloop."""

from __future__ import annotations

import asyncio
import json

import grpc
import numpy as np
import pytest
import uvloop
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.serving.decisions.service import Service
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.observers import LogObserver
from customer_risk.serving.http.body import MOST_BYTES
from customer_risk.serving.kserve.v2.grpc import GrpcServer, GrpcSettings
from customer_risk.serving.kserve.v2.tensors import to_binary
from customer_risk.serving.telemetry.logs import LogSettings, RequestLog


@pytest.fixture
def ask(service):
    """Call a method of a server that is up for the one call."""

    def asked(method, request, to=service):
        async def run():
            exchange = Exchange(to, observers=(LogObserver(RequestLog(LogSettings())),))
            server = GrpcServer(exchange, GrpcSettings(port=0, grace_seconds=0))
            await server.start()
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                    return await getattr(stubs.GRPCInferenceServiceStub(channel), method)(request, timeout=20)
            finally:
                await server.stop()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run())

    return asked


def _requests(*documents, **more):
    request = pb.ModelInferRequest(model_name="customer-risk", id="7", **more)
    tensor = request.inputs.add(name="request", datatype="BYTES", shape=[len(documents)])
    tensor.contents.bytes_contents.extend(json.dumps(each).encode() for each in documents)
    return request


def _same(answer: bytes) -> dict:
    return {name: value for name, value in json.loads(answer).items() if name not in {"decision_id", "decided_at"}}


def test_texts_get_the_answers_of_the_wire(ask, service, request_, app, model, call) -> None:
    """A request by gRPC is answered as by HTTP, to the bit; the id is echoed."""
    model.load()
    response = ask("ModelInfer", _requests(request_))
    alone = call(app, "POST", "/ai/v1/risk", json=request_).content
    assert (response.id, response.model_version) == ("7", service.model().version)
    assert response.outputs[0].contents.fp64_contents[0] == json.loads(alone)["probability"]
    assert _same(response.outputs[3].contents.bytes_contents[0]) == _same(alone)


def test_raw_features_get_raw_answers(ask, service, request_) -> None:
    """Raw contents in, raw contents out, the same probability."""
    expected = service.answer(json.dumps(request_).encode())
    row = expected.basis.values
    request = pb.ModelInferRequest(model_name="customer-risk")
    request.inputs.add(name="customer_id", datatype="BYTES", shape=[1])
    request.inputs.add(name="features", datatype="FP64", shape=[1, len(row)])
    request.raw_input_contents.extend([to_binary([b"c-1"]), to_binary(row)])
    response = ask("ModelInfer", request)
    assert np.frombuffer(response.raw_output_contents[0], "<f8").tolist() == [expected.decision.probability]


def test_bad_fields_are_an_invalid_argument_that_names_them(ask) -> None:
    """A thousand mistakes fit the metadata: the problem document as text, the fields as google.rpc.BadRequest."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        ask("ModelInfer", _requests(*[{"customer_id": 7}] * 1000))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert json.loads(caught.value.details())["errors"][0]["pointer"].startswith("/inputs/0/data/0")
    status = Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    told = BadRequest()
    assert status.details[0].Unpack(told)
    assert told.field_violations[0].field.startswith("/inputs/0/data/0")


@pytest.mark.parametrize(
    ("method", "request_of", "code"),
    [
        ("ModelInfer", lambda: pb.ModelInferRequest(model_name="other"), "NOT_FOUND"),
        ("ModelInfer", lambda: pb.ModelInferRequest(model_name="customer-risk", model_version="1"), "NOT_FOUND"),
        ("ModelMetadata", lambda: pb.ModelMetadataRequest(name="other"), "NOT_FOUND"),
        ("RepositoryModelLoad", lambda: pb.RepositoryModelLoadRequest(model_name="x"), "UNIMPLEMENTED"),
        ("RepositoryModelUnload", lambda: pb.RepositoryModelUnloadRequest(model_name="x"), "UNIMPLEMENTED"),
        ("ModelInfer", lambda: _requests("x" * MOST_BYTES), "RESOURCE_EXHAUSTED"),
    ],
)
def test_refusals_have_their_codes(ask, method, request_of, code) -> None:
    """Another model, a change of models and too large a message are told apart."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        ask(method, request_of())
    assert caught.value.code().name == code


def test_before_a_bundle_nothing_is_ready(ask, request_) -> None:
    """Readiness is false, and inference is unavailable."""
    empty = Service("customer-risk")
    assert not ask("ServerReady", pb.ServerReadyRequest(), empty).ready
    assert not ask("ModelReady", pb.ModelReadyRequest(name="customer-risk"), empty).ready
    assert ask("ServerLive", pb.ServerLiveRequest(), empty).live
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        ask("ModelInfer", _requests(request_), empty)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_metadata_names_the_version(ask, service) -> None:
    """The model's one version is the bundle's hash."""
    told = ask("ModelMetadata", pb.ModelMetadataRequest(name="customer-risk"))
    assert list(told.versions) == [service.model().version]
    assert ask("ServerMetadata", pb.ServerMetadataRequest()).name == "customer-risk"


def test_a_fault_of_ours_tells_nothing_of_the_inside(ask, service, request_, caplog) -> None:
    """INTERNAL for the caller, the cause for the log."""
    service._clock = lambda: {}["inside"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        ask("ModelInfer", _requests(request_))
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert "inside" not in caught.value.details()
    assert "KeyError: 'inside'" in caplog.text
