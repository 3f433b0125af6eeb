"""Access to gRPC methods, on a real server, with signed tokens."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import msgspec
import pytest
from grpc.aio import Metadata
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.auth.authenticator import Authenticator
from customer_risk.serving.auth.rate_limits import Limiter, LimitSettings
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import Decided
from customer_risk.serving.kserve.v2.grpc import GrpcServer
from customer_risk.serving.kserve.v2.settings import GrpcSettings

OPEN = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata")


def infer(customer: str = "c", id_: str = "") -> Any:
    """Return a request about one customer."""
    document = {"customer_id": customer, "profile": {}, "transactions": []}
    request = pb.ModelInferRequest(model_name="customer-risk", id=id_)
    tensor = request.inputs.add(name="request", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(json.dumps(document).encode())
    return request


CALLS = {"ModelInfer": infer(), "RepositoryModelLoad": pb.RepositoryModelLoadRequest(model_name="customer-risk")}


class Notes:
    """Collects the caller of each decision, by customer, and the kinds and statuses of refusals."""

    def __init__(self) -> None:
        self.callers: dict[str, str] = {}
        self.refusals: list[tuple[str, str]] = []
        self.responses: list[tuple[str, int]] = []

    def observe(self, outcome) -> None:
        """Remember an outcome."""
        if isinstance(outcome, Decided):
            self.callers[outcome.answer.customer_id] = outcome.context.caller_name
        else:
            self.refusals.append((outcome.context.route, outcome.kind.name))

    def responded(self, context, status, _) -> None:
        """Remember a response."""
        self.responses.append((context.route, status))


@pytest.fixture
def notes() -> Notes:
    """The server's observer."""
    return Notes()


@pytest.fixture
def up(settings, service, notes):
    """Run calls against a server with authentication; return the result of `calls(channel)`."""

    def ran(calls, *, limits: LimitSettings | None = None, **other: Any):
        async def run():
            authenticator = Authenticator(msgspec.structs.replace(settings, **other))
            await authenticator.refresh()
            access = AccessControl(authenticator, limits and Limiter(limits))
            exchange = Exchange(service, access=access, observers=(notes,))
            server = GrpcServer(exchange, GrpcSettings(port=0, grace_seconds=0))
            await server.start()
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                    return await calls(channel)
            finally:
                await server.stop()

        return asyncio.run(run())

    return ran


@pytest.fixture
def ask(up):
    """Call one method with metadata; return the response, or raise AioRpcError."""

    def asked(method: str, *metadata: tuple[str, str | bytes], request: Any = None, **other: Any):
        async def calls(channel):
            to = getattr(stubs.GRPCInferenceServiceStub(channel), method)
            return await to(request or CALLS[method], metadata=Metadata(*metadata), timeout=600)

        return up(calls, **other)

    return asked


def _refused(ask, code: grpc.StatusCode, method: str, *metadata, **other) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        ask(method, *metadata, **other)
    assert caught.value.code() is code, caught.value
    return caught.value


def test_a_call_with_a_valid_token_is_answered(ask, sign, notes) -> None:
    """A call with a valid token is answered, and observers get its caller."""
    assert ask("ModelInfer", ("authorization", f"Bearer {sign()}")).model_name == "customer-risk"
    assert notes.callers == {"c": "azp:pay"}


def test_a_call_without_a_token_is_unauthenticated(ask, notes) -> None:
    """A call without a token is UNAUTHENTICATED, says what to send, and is observed."""
    error = _refused(ask, grpc.StatusCode.UNAUTHENTICATED, "ModelInfer")
    assert notes.refusals == [("grpc:ModelInfer", "unauthenticated")]
    assert notes.responses == [("grpc:ModelInfer", 401)]
    assert "Authorization: Bearer" in error.details()
    assert dict(error.trailing_metadata())["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "metadata",
    [
        (("authorization", "Bearer nonsense"),),
        (("authorization-bin", b"Bearer nonsense"),),
        (("x-authorization", "Bearer {}"),),
        (("authorization", "Bearer {}"), ("authorization", "Bearer {}")),
        (("authorization", "{}"),),
    ],
    ids=str,
)
def test_malformed_metadata_is_unauthenticated(ask, sign, metadata) -> None:
    """No token, two tokens, and a token under another name are UNAUTHENTICATED."""
    filled = [(name, value if isinstance(value, bytes) else value.format(sign())) for name, value in metadata]
    _refused(ask, grpc.StatusCode.UNAUTHENTICATED, "ModelInfer", *filled)


@pytest.mark.parametrize("scope", ["", "batch explain admin"])
def test_a_call_without_the_scope_is_denied(ask, sign, scope) -> None:
    """A valid token without the scope is PERMISSION_DENIED, and the message names the scope."""
    header = ("authorization", f"Bearer {sign(scope=scope)}")
    error = _refused(ask, grpc.StatusCode.PERMISSION_DENIED, "ModelInfer", header)
    assert "scope score" in error.details()


def test_loading_a_model_needs_the_scope_admin(ask, sign) -> None:
    """Loading a model is PERMISSION_DENIED without the scope `admin`, and UNIMPLEMENTED with it."""
    method = "RepositoryModelLoad"
    _refused(ask, grpc.StatusCode.PERMISSION_DENIED, method, ("authorization", f"Bearer {sign()}"))
    _refused(ask, grpc.StatusCode.UNIMPLEMENTED, method, ("authorization", f"Bearer {sign(scope='admin')}"))


@pytest.mark.parametrize("method", OPEN)
@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer nonsense"),)], ids=["none", "nonsense"])
def test_health_and_metadata_need_no_token(ask, method, metadata) -> None:
    """Health and metadata are answered without a token, and with an invalid one."""
    named = {} if method.startswith("Server") else {"name": "customer-risk"}
    assert ask(method, *metadata, request=getattr(pb, f"{method}Request")(**named)).ListFields()


def test_an_unknown_method_is_unimplemented(up) -> None:
    """An unknown method is UNIMPLEMENTED, also if it has the name of an open method of another service."""

    async def calls(channel):
        for path in ("/inference.GRPCInferenceService/Nothing", "/other.Service/ServerLive"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(path)(b"", timeout=600)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

    up(calls)


def test_each_call_has_its_own_caller(up, sign, notes) -> None:
    """Concurrent calls of several clients on one connection have the right callers."""

    async def calls(channel):
        ask = stubs.GRPCInferenceServiceStub(channel).ModelInfer
        names = [f"c-{i}" for i in range(20)]
        headers = {name: (("authorization", f"Bearer {sign(azp=name)}"),) for name in names}
        answers = await asyncio.gather(
            *(ask(infer(name, id_=name), metadata=headers[name], timeout=600) for name in names)
        )
        assert [answer.id for answer in answers] == names

    up(calls)
    assert notes.callers == {name: f"azp:{name}" for name in (f"c-{i}" for i in range(20))}


def test_a_client_beyond_its_limit_is_refused(up, sign) -> None:
    """A client beyond its limit gets RESOURCE_EXHAUSTED with retry-after; other clients are answered."""

    async def calls(channel):
        ask = stubs.GRPCInferenceServiceStub(channel).ModelInfer
        greedy, other = ((("authorization", f"Bearer {sign(azp=name)}"),) for name in ("greedy", "other"))
        for _ in range(2):
            await ask(infer(), metadata=greedy, timeout=600)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(infer(), metadata=greedy, timeout=600)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert int(dict(caught.value.trailing_metadata())["retry-after"]) > 0
        assert (await ask(infer(), metadata=other, timeout=600)).model_name

    up(calls, limits=LimitSettings(requests_per_second=0.01, burst=2))


def test_calls_are_unavailable_without_keys(ask, sign, tmp_path) -> None:
    """Without the issuer's keys calls are UNAVAILABLE with retry-after; health stays open."""
    gone = str(tmp_path / "gone")
    header = ("authorization", f"Bearer {sign()}")
    error = _refused(ask, grpc.StatusCode.UNAVAILABLE, "ModelInfer", header, jwks=gone)
    assert dict(error.trailing_metadata())["retry-after"] == "5"
    assert ask("ServerLive", request=pb.ServerLiveRequest(), jwks=gone).live
