"""Access to gRPC's methods, on a real server, by really signed tokens."""

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
    """Remembers who decisions were for, by customer, and which kinds of refusals there were with which status."""

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
    """What the server's observer hears."""
    return Notes()


@pytest.fixture
def up(settings, service, notes):
    """Run calls against a server that asks for tokens; gives what `calls(channel)` gives."""

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


def test_a_sound_token(ask, sign, notes) -> None:
    """A call with a sound token is answered, and its observers hear who called."""
    assert ask("ModelInfer", ("authorization", f"Bearer {sign()}")).model_name == "customer-risk"
    assert notes.callers == {"c": "azp:pay"}


def test_no_token(ask, notes) -> None:
    """A call without a token is unauthenticated, told what to send, and observed."""
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
    """Loading a model needs the scope admin, without which it is denied; with it, it isn't served."""
    method = "RepositoryModelLoad"
    _refused(ask, grpc.StatusCode.PERMISSION_DENIED, method, ("authorization", f"Bearer {sign()}"))
    _refused(ask, grpc.StatusCode.UNIMPLEMENTED, method, ("authorization", f"Bearer {sign(scope='admin')}"))


@pytest.mark.parametrize("method", OPEN)
@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer nonsense"),)], ids=["none", "nonsense"])
def test_open(ask, method, metadata) -> None:
    """Health and metadata are answered without a token, or with any."""
    named = {} if method.startswith("Server") else {"name": "customer-risk"}
    assert ask(method, *metadata, request=getattr(pb, f"{method}Request")(**named)).ListFields()


def test_a_method_that_does_not_exist(up) -> None:
    """An unknown method is unimplemented, whoever asks; no open method's name opens another service."""

    async def calls(channel):
        for path in ("/inference.GRPCInferenceService/Nothing", "/other.Service/ServerLive"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(path)(b"", timeout=600)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

    up(calls)


def test_each_call_has_its_own_caller(up, sign, notes) -> None:
    """Calls at once by several clients on one connection don't see each other's caller."""

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


def test_past_the_share(up, sign) -> None:
    """A client past their share is told when to come back, and others aren't."""

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


def test_no_keys(ask, sign, tmp_path) -> None:
    """Without the issuer's keys calls are unavailable, to be tried again; health stays open."""
    gone = str(tmp_path / "gone")
    header = ("authorization", f"Bearer {sign()}")
    error = _refused(ask, grpc.StatusCode.UNAVAILABLE, "ModelInfer", header, jwks=gone)
    assert dict(error.trailing_metadata())["retry-after"] == "5"
    assert ask("ServerLive", request=pb.ServerLiveRequest(), jwks=gone).live
