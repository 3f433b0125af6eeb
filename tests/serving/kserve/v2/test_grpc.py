"""V2 over gRPC, on a real port with uvloop."""

from __future__ import annotations

import asyncio
import gc
import json
import mmap
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import uvloop
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.auth.caller import Caller
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.errors import Unauthenticated
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.observers import LogObserver
from customer_risk.serving.http.admission import Admission
from customer_risk.serving.http.body import MOST_BYTES
from customer_risk.serving.http.budget import Budget
from customer_risk.serving.kserve.v2 import grpc as served_by_grpc
from customer_risk.serving.kserve.v2.grpc import GrpcServer, GrpcSettings
from customer_risk.serving.kserve.v2.tensors import to_binary
from customer_risk.serving.process.memory import trim_memory
from customer_risk.serving.telemetry.logs import LogSettings, RequestLog


@pytest.fixture
def ask(service):
    """Call a method of a server that runs for one call."""

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


def test_request_tensors_get_the_answers_of_http(ask, service, request_, app, model, call) -> None:
    """A request over gRPC gets the answer of HTTP, to the bit, and its id."""
    model.load()
    response = ask("ModelInfer", _requests(request_))
    alone = call(app, "POST", "/ai/v1/risk", json=request_).content
    assert (response.id, response.model_version) == ("7", service.model().version)
    assert response.outputs[0].contents.fp64_contents[0] == json.loads(alone)["probability"]
    assert _same(response.outputs[3].contents.bytes_contents[0]) == _same(alone)


def test_raw_features_get_raw_answers(ask, service, request_) -> None:
    """A call with raw contents gets raw contents with the same probability."""
    expected = service.answer(json.dumps(request_).encode())
    row = expected.basis.values
    request = pb.ModelInferRequest(model_name="customer-risk")
    request.inputs.add(name="customer_id", datatype="BYTES", shape=[1])
    request.inputs.add(name="features", datatype="FP64", shape=[1, len(row)])
    request.raw_input_contents.extend([to_binary([b"c-1"]), to_binary(row)])
    response = ask("ModelInfer", request)
    assert np.frombuffer(response.raw_output_contents[0], "<f8").tolist() == [expected.decision.probability]


def test_empty_members_count_as_left_out(ask, request_) -> None:
    """Empty contents beside raw contents, and an empty version, id and parameters, count as left out."""
    request = pb.ModelInferRequest(model_name="customer-risk", model_version="", id="")
    tensor = request.inputs.add(name="request", datatype="BYTES", shape=[1])
    tensor.contents.SetInParent()
    tensor.parameters[""].SetInParent()
    request.parameters["binary_data_output"].SetInParent()
    request.outputs.add(name="segment").parameters["binary_data"].SetInParent()
    request.raw_input_contents.append(to_binary([json.dumps(request_).encode()]))
    response = ask("ModelInfer", request)
    assert ([each.name for each in response.outputs], response.id) == (["segment"], "")


def test_bad_fields_are_an_invalid_argument_that_names_them(ask) -> None:
    """A refusal with a thousand faults fits into the metadata, as a problem document and as google.rpc.BadRequest."""
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
    """Another model, a change of models and a large message have their codes."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        ask(method, request_of())
    assert caught.value.code().name == code


def test_the_service_is_not_ready_without_a_bundle(ask, request_) -> None:
    """Before there is a bundle, readiness is false, and inference is unavailable."""
    empty = Service("customer-risk")
    assert not ask("ServerReady", pb.ServerReadyRequest(), empty).ready
    assert not ask("ModelReady", pb.ModelReadyRequest(name="customer-risk"), empty).ready
    assert ask("ServerLive", pb.ServerLiveRequest(), empty).live
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        ask("ModelInfer", _requests(request_), empty)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_metadata_names_the_version(ask, service) -> None:
    """The model's only version is the bundle's hash."""
    told = ask("ModelMetadata", pb.ModelMetadataRequest(name="customer-risk"))
    assert list(told.versions) == [service.model().version]
    assert ask("ServerMetadata", pb.ServerMetadataRequest()).name == "customer-risk"


def test_an_unexpected_error_has_no_details(ask, service, request_, caplog) -> None:
    """An unexpected error is INTERNAL for the caller, and the log has its cause."""
    service._clock = lambda: {}["inside"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        ask("ModelInfer", _requests(request_))
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert "inside" not in caught.value.details()
    assert "KeyError: 'inside'" in caplog.text


class Full(Admission):
    """An admission that refuses every call."""

    def wait(self, *, directly: bool = False) -> float:  # noqa: ARG002  as in the class
        """Return a minute."""
        return 60.0


class Nobody:
    """Authentication that accepts no token."""

    def cached(self, _: str | None) -> None:
        """Return no caller."""

    async def authenticate(self, _: str | None) -> Caller:
        """Raise Unauthenticated."""
        raise Unauthenticated("No.", remedy="None.")


async def _silent(calls: int, port: int) -> list[grpc.StatusCode]:
    """Return the codes of calls whose message never arrives."""
    silence = asyncio.Event()

    async def nothing():
        await silence.wait()
        yield b""

    async def code(channel) -> grpc.StatusCode:
        return await channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")(nothing()).code()

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        return await asyncio.gather(*[code(channel) for _ in range(calls)])


@pytest.fixture
def serve(service):
    """Call a coroutine function with the port of a server that has some bounds; return its result."""

    def served(use, access=None, settings=None, **bounds):
        async def run():
            server = GrpcServer(
                Exchange(service, access=access), settings or GrpcSettings(port=0, grace_seconds=0), **bounds
            )
            await server.start()
            try:
                return await use(server.port)
            finally:
                await server.stop()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run())

    return served


@pytest.mark.parametrize("method", ["ModelInfer", "ModelMetadata", "ModelReady", "RepositoryModelLoad"])
def test_a_call_that_would_wait_too_long_is_shed(serve, method) -> None:
    """Under overload, a call gets UNAVAILABLE with the time after which to retry, and is counted as shed."""
    shed: list[None] = []

    async def use(port):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = stubs.GRPCInferenceServiceStub(channel)
            kind = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name[method].input_type.name
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await getattr(stub, method)(getattr(pb, kind)(), timeout=600)
            return caught.value

    error = serve(use, admission=Full(0.05, shed=lambda: shed.append(None)))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert dict(error.trailing_metadata())["retry-after"] == "1"
    assert json.loads(error.details())["type"] == "urn:problem-type:customer-risk:overloaded"
    assert len(shed) == 1


def test_refusals_under_overload_are_spread_over_time(serve, monkeypatch) -> None:
    """Of several calls that are refused at once, each waits longer than the one before."""
    monkeypatch.setattr(served_by_grpc, "_PACE_SECONDS", 0.2)

    async def use(port):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub, began = stubs.GRPCInferenceServiceStub(channel), time.monotonic()
            calls = [stub.ModelInfer(pb.ModelInferRequest(), timeout=600) for _ in range(4)]
            codes = [await call.code() for call in calls]
            return codes, time.monotonic() - began

    codes, seconds = serve(use, admission=Full(0.05))
    assert codes == [grpc.StatusCode.UNAVAILABLE] * 4
    assert seconds >= 4 * 0.2


@pytest.mark.parametrize("method", ["ServerLive", "ServerReady"])
def test_grpc_probes_are_answered_under_overload(serve, method) -> None:
    """Under overload, ServerLive and ServerReady are answered."""

    async def use(port):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = stubs.GRPCInferenceServiceStub(channel)
            return await getattr(stub, method)(getattr(pb, f"{method}Request")(), timeout=600)

    answer = serve(use, admission=Full(0.05))
    assert answer.live if method == "ServerLive" else answer.ready


def test_a_call_without_a_valid_token_is_refused_before_its_message(serve) -> None:
    """A call without a valid token is refused although its message hasn't arrived."""
    codes = serve(lambda port: _silent(3, port), access=AccessControl(Nobody()))
    assert codes == [grpc.StatusCode.UNAUTHENTICATED] * 3


def test_a_missing_message_counts_as_the_greatest_size(serve) -> None:
    """Calls without a message wait within the budget, further ones are refused, and all bytes are released."""
    budget = Budget(2 * MOST_BYTES, 2 * MOST_BYTES)
    settings = GrpcSettings(port=0, grace_seconds=0, message_seconds=1)
    codes = serve(lambda port: _silent(3, port), settings=settings, budget=budget)
    assert sorted(codes, key=str) == [grpc.StatusCode.DEADLINE_EXCEEDED] * 2 + [grpc.StatusCode.UNAVAILABLE]
    assert budget.held == 0


def test_the_messages_of_cancelled_calls_are_freed(serve) -> None:
    """The process keeps no message of calls that were cancelled while it arrived."""

    async def use(port):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            for place in range(24):
                call = infer(bytes(MOST_BYTES - 16))
                await asyncio.sleep(0.005 * (place % 6))
                call.cancel()
        await asyncio.sleep(0.5)
        gc.collect()
        trim_memory()
        return _resident()

    serve(use)  # what gRPC keeps anyway
    before = _resident()
    assert serve(use) - before < 6 * MOST_BYTES


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def test_a_call_without_a_message_is_malformed(serve) -> None:
    """A call whose stream has no message gets INVALID_ARGUMENT."""

    async def use(port):
        async def nothing():
            return
            yield b""

        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            return await channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")(nothing()).code()

    assert serve(use) == grpc.StatusCode.INVALID_ARGUMENT


def test_calls_at_a_time_are_bounded(serve, request_) -> None:
    """Each of hundreds of calls at once is answered or refused with a declared code, and a later one is answered."""

    async def use(port):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = stubs.GRPCInferenceServiceStub(channel)

            async def code() -> grpc.StatusCode:
                call = stub.ModelInfer(_requests(request_), timeout=600)
                return await call.code()

            codes = set(await asyncio.gather(*[code() for _ in range(300)]))
            return codes, await code()

    codes, after = serve(use)
    refusals = {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert codes - refusals == {grpc.StatusCode.OK}
    assert after == grpc.StatusCode.OK


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\0%c%b%c%b" % (len(name), name, len(value), value)  # RFC 7541, 6.2.2


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + content  # RFC 9113, 4.1


@pytest.mark.parametrize("path", [b"/\x80", b"/x", b"/", b"/inference.GRPCInferenceService/\xff"])
def test_calls_are_answered_after_a_call_of_an_unknown_method(serve, path) -> None:
    """After a call whose path isn't a method's, or isn't UTF-8, calls of known methods are answered."""
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
    fields += [(b"te", b"trailers"), (b"content-type", b"application/grpc")]
    head = b"".join(_literal(*field) for field in fields)
    opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"") + _frame(1, 5, 1, head)

    async def use(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(opening)
        received = b""
        while b"grpc-status" not in received:
            received += (more := await reader.read(65536))
            assert more, received
        writer.close()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = stubs.GRPCInferenceServiceStub(channel)
            return (await stub.ServerLive(pb.ServerLiveRequest(), timeout=600)).live

    assert serve(use)


def test_an_unknown_method_is_unimplemented(serve) -> None:
    """A call of a method that the service doesn't have gets UNIMPLEMENTED."""

    async def use(port):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            return await channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=600).code()

    assert serve(use) == grpc.StatusCode.UNIMPLEMENTED
