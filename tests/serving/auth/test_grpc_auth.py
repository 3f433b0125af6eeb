"""The gate ahead of gRPC, on a real server, by really signed tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import msgspec
import pytest
from grpc.aio import Metadata
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from customer_risk.serving.auth.access import AccessControl
from customer_risk.serving.auth.authenticator import Authenticator
from customer_risk.serving.auth.caller import LOCAL, current
from customer_risk.serving.auth.rate_limits import Limiter, LimitSettings
from customer_risk.serving.kserve.v2.grpc_auth import OPEN, AuthInterceptor

INFER = pb.ModelInferRequest(model_name="customer-risk")
CALLS = {"ModelInfer": INFER, "RepositoryModelLoad": pb.RepositoryModelLoadRequest(model_name="customer-risk")}


class Telling(stubs.GRPCInferenceServiceServicer):
    """Methods that tell who called them."""

    async def ServerLive(self, _: Any, __: Any) -> Any:  # noqa: N802  gRPC's name
        """Answer whoever asks."""
        return pb.ServerLiveResponse(live=current.get() is LOCAL)

    async def ServerReady(self, _: Any, __: Any) -> Any:  # noqa: N802  gRPC's name
        """Answer whoever asks."""
        return pb.ServerReadyResponse(ready=True)

    async def ModelReady(self, _: Any, __: Any) -> Any:  # noqa: N802  gRPC's name
        """Answer whoever asks."""
        return pb.ModelReadyResponse(ready=True)

    async def ServerMetadata(self, _: Any, __: Any) -> Any:  # noqa: N802  gRPC's name
        """Answer whoever asks."""
        return pb.ServerMetadataResponse(name="risk")

    async def ModelMetadata(self, _: Any, __: Any) -> Any:  # noqa: N802  gRPC's name
        """Answer whoever asks."""
        return pb.ModelMetadataResponse(name="risk")

    async def ModelInfer(self, _: Any, __: Any) -> Any:  # noqa: N802  gRPC's name
        """Tell the caller, after others had their turn."""
        await asyncio.sleep(0.01)
        return pb.ModelInferResponse(id=current.get().name)

    async def RepositoryModelLoad(self, _: Any, __: Any) -> Any:  # noqa: N802  gRPC's name
        """Tell the caller."""
        return pb.RepositoryModelLoadResponse(model_name=current.get().name, isLoaded=True)


async def _stream(_: Any, __: Any) -> AsyncIterator[bytes]:
    yield b"should never be"


STREAMING = grpc.method_handlers_generic_handler(
    "inference.Streams", {"Infer": grpc.unary_stream_rpc_method_handler(_stream)}
)


@pytest.fixture
def up(settings):
    """Run calls against a server with the gate ahead of it; gives what `calls(channel)` gives."""

    def ran(calls, *, limits: LimitSettings | None = None, **other: Any):
        async def run():
            authenticator = Authenticator(msgspec.structs.replace(settings, **other))
            await authenticator.refresh()
            gate = AccessControl(authenticator, limits and Limiter(limits))
            server = grpc.aio.server(interceptors=(AuthInterceptor(gate),))
            stubs.add_GRPCInferenceServiceServicer_to_server(Telling(), server)
            server.add_generic_rpc_handlers((STREAMING,))
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                    return await calls(channel)
            finally:
                await server.stop(0)

        return asyncio.run(run())

    return ran


@pytest.fixture
def ask(up):
    """Call one method with metadata: gives the answer, or raises AioRpcError."""

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


def test_a_sound_token(ask, sign) -> None:
    """A call with a sound token reaches its method, which sees who calls."""
    assert ask("ModelInfer", ("authorization", f"Bearer {sign()}")).id == "pay"


def test_no_token(ask) -> None:
    """A call without a token is unauthenticated, and told what to send."""
    error = _refused(ask, grpc.StatusCode.UNAUTHENTICATED, "ModelInfer")
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
def test_malformed_metadata(ask, sign, metadata) -> None:
    """No token, two of them, or one under another name is unauthenticated, though it be sound."""
    filled = [(name, value if isinstance(value, bytes) else value.format(sign())) for name, value in metadata]
    _refused(ask, grpc.StatusCode.UNAUTHENTICATED, "ModelInfer", *filled)


@pytest.mark.parametrize("other", [{"exp": 1}, {"aud": "elsewhere"}, {"iss": "https://else.example/"}], ids=str)
def test_a_wrong_token(ask, sign, other) -> None:
    """A token that isn't for us, or is over, is unauthenticated."""
    _refused(ask, grpc.StatusCode.UNAUTHENTICATED, "ModelInfer", ("authorization", f"Bearer {sign(**other)}"))


@pytest.mark.parametrize("scope", ["", "batch explain admin"])
def test_no_scope(ask, sign, scope) -> None:
    """A sound token without the scope is denied, and told which it lacks."""
    header = ("authorization", f"Bearer {sign(scope=scope)}")
    error = _refused(ask, grpc.StatusCode.PERMISSION_DENIED, "ModelInfer", header)
    assert "scope score" in error.details()


def test_changing_models_is_for_admins(ask, sign) -> None:
    """Loading a model needs the scope admin; score isn't enough."""
    method = "RepositoryModelLoad"
    _refused(ask, grpc.StatusCode.PERMISSION_DENIED, method, ("authorization", f"Bearer {sign()}"))
    assert ask(method, ("authorization", f"Bearer {sign(scope='admin')}")).model_name == "pay"


@pytest.mark.parametrize("method", sorted(OPEN))
@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer nonsense"),)], ids=["none", "nonsense"])
def test_open(ask, method, metadata) -> None:
    """Health and metadata are answered without a token, or with any."""
    assert ask(method, *metadata, request=getattr(pb, f"{method}Request")()).ListFields()


def test_a_method_that_does_not_exist(up) -> None:
    """An unknown method is unimplemented, whoever asks; no open method's name opens another service."""

    async def calls(channel):
        for path in ("/inference.GRPCInferenceService/Nothing", "/other.Service/ServerLive"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(path)(b"", timeout=600)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

    up(calls)


def test_streams_have_no_way_in(up, sign) -> None:
    """A method that streams is unimplemented, even with a sound token: nothing gets past the gate."""

    async def calls(channel):
        call = channel.unary_stream("/inference.Streams/Infer")(
            b"", metadata=(("authorization", f"Bearer {sign()}"),), timeout=600
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

    up(calls)


def test_each_call_has_its_own_caller(up, sign) -> None:
    """Calls at once by several clients on one connection don't see each other's caller."""

    async def calls(channel):
        infer = stubs.GRPCInferenceServiceStub(channel).ModelInfer
        names = [f"c-{i}" for i in range(20)] * 2
        headers = {name: (("authorization", f"Bearer {sign(azp=name)}"),) for name in names}
        answers = await asyncio.gather(*(infer(INFER, metadata=headers[name], timeout=600) for name in names))
        assert [answer.id for answer in answers] == names
        live = await stubs.GRPCInferenceServiceStub(channel).ServerLive(pb.ServerLiveRequest(), timeout=600)
        assert live.live  # an open method has no caller but the local one

    up(calls)


def test_past_the_share(up, sign) -> None:
    """A client past their share is told when to come back, and others aren't."""

    async def calls(channel):
        infer = stubs.GRPCInferenceServiceStub(channel).ModelInfer
        greedy, other = ((("authorization", f"Bearer {sign(azp=name)}"),) for name in ("greedy", "other"))
        for _ in range(2):
            await infer(INFER, metadata=greedy, timeout=600)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await infer(INFER, metadata=greedy, timeout=600)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert int(dict(caught.value.trailing_metadata())["retry-after"]) > 0
        assert (await infer(INFER, metadata=other, timeout=600)).id == "other"

    up(calls, limits=LimitSettings(requests_per_second=0.01, burst=2))


def test_no_keys(ask, sign, tmp_path) -> None:
    """Without the issuer's keys calls are unavailable, to be tried again; health stays open."""
    gone = str(tmp_path / "gone")
    header = ("authorization", f"Bearer {sign()}")
    error = _refused(ask, grpc.StatusCode.UNAVAILABLE, "ModelInfer", header, jwks=gone)
    assert dict(error.trailing_metadata())["retry-after"] == "5"
    assert ask("ServerLive", request=pb.ServerLiveRequest(), jwks=gone).live
