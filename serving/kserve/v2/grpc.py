"""V2 over gRPC: KServe's service, on the event loop that serves HTTP."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import grpc
import msgspec
import numpy as np
from google.protobuf.message import DecodeError
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from customer_risk.model.errors import ConfigError
from customer_risk.serving.auth.access import authorization_of, work_of
from customer_risk.serving.auth.caller import LOCAL, Permission
from customer_risk.serving.contract.trace import HEADER, trace_of
from customer_risk.serving.decisions.validation import Faults
from customer_risk.serving.errors import MalformedBody, NotServed
from customer_risk.serving.exchange.all_or_none import raise_faults
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import RequestContext, current
from customer_risk.serving.http.body import MOST_BYTES
from customer_risk.serving.kserve.v2 import fields
from customer_risk.serving.kserve.v2.models import Models
from customer_risk.serving.kserve.v2.settings import GrpcSettings
from customer_risk.serving.kserve.v2.status import refuse
from customer_risk.serving.kserve.v2.tensors import (
    MOST_VALUES,
    Call,
    Tensor,
    find_datatype_fault,
    from_binary,
    require_few_tensors,
    to_binary,
    too_large,
)

if TYPE_CHECKING:
    from customer_risk.serving.kserve.v2.outputs import Output

Context = Any  # grpc.aio.ServicerContext; gRPC ships no types

_CONTENTS: Final = {"FP64": "fp64_contents", "BYTES": "bytes_contents"}


class GrpcServer:
    """Answers KServe's gRPC service through `exchange`.

    It makes no gRPC object before `start`, so a process may fork until then.
    """

    def __init__(self, exchange: Exchange, settings: GrpcSettings) -> None:
        self._exchange = exchange
        self._settings = settings
        self._server: Any = None
        self.port = settings.port

    async def start(self) -> None:
        """Listen, on the running event loop; raises ConfigError if it can't."""
        self._server = grpc.aio.server(options=(("grpc.max_receive_message_length", MOST_BYTES),))
        self._server.add_generic_rpc_handlers((_handlers(_Servicer(self._exchange)),))
        host, port = self._settings.host, self._settings.port
        try:
            self.port = self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError as error:
            raise ConfigError(
                f"Can't listen for gRPC on {host}:{port}.", remedy="Choose another grpc.host or grpc.port."
            ) from error
        await self._server.start()

    async def stop(self) -> None:
        """Accept no more calls, and wait `grace_seconds` for those under way."""
        if self._server is not None:
            await self._server.stop(self._settings.grace_seconds)


def _handlers(servicer: _Servicer) -> Any:
    """Return the service's methods, which take a message's bytes and parse them after authentication, within bounds.

    Streaming methods aren't served.
    """
    service = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    methods = {
        method.name: grpc.unary_unary_rpc_method_handler(
            getattr(servicer, method.name), response_serializer=lambda response: response.SerializeToString()
        )
        for method in service.methods
        if hasattr(servicer, method.name)
    }
    return grpc.method_handlers_generic_handler(service.full_name, methods)


class _Servicer:
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._models = Models(exchange)

    async def ServerLive(self, _: bytes, __: Context) -> pb.ServerLiveResponse:  # noqa: N802  gRPC's name
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, _: bytes, __: Context) -> pb.ServerReadyResponse:  # noqa: N802  gRPC's name
        return pb.ServerReadyResponse(ready=self._models.ready)

    async def ModelReady(self, message: bytes, context: Context) -> pb.ModelReadyResponse:  # noqa: N802  gRPC's name
        async def answer() -> Any:
            request = await self._parsed(pb.ModelReadyRequest, message)
            return pb.ModelReadyResponse(ready=self._models.is_ready(request.name, request.version))

        return await self._answered("ModelReady", answer, context, permission=None)

    async def ServerMetadata(self, _: bytes, __: Context) -> pb.ServerMetadataResponse:  # noqa: N802  gRPC's name
        return pb.ServerMetadataResponse(**msgspec.to_builtins(self._models.server()))

    async def ModelMetadata(self, message: bytes, context: Context) -> pb.ModelMetadataResponse:  # noqa: N802  gRPC's name
        async def answer() -> Any:
            request = await self._parsed(pb.ModelMetadataRequest, message)
            return pb.ModelMetadataResponse(**msgspec.to_builtins(self._models.metadata(request.name, request.version)))

        return await self._answered("ModelMetadata", answer, context, permission=None)

    async def ModelInfer(self, message: bytes, context: Context) -> pb.ModelInferResponse:  # noqa: N802  gRPC's name
        async def answer() -> Any:
            request = await self._parsed(pb.ModelInferRequest, message)
            self._models.require(request.model_name, request.model_version)
            call = await self._models.offload.call(len(message), read_call, request)
            inferred = await self._models.infer(call)
            response = pb.ModelInferResponse(
                model_name=inferred.model.name, model_version=inferred.model.version, id=request.id
            )
            _write(inferred.outputs, response, raw=bool(request.raw_input_contents))
            return response

        return await self._answered("ModelInfer", answer, context, permission="score", size=len(message))

    async def RepositoryModelLoad(self, _: bytes, context: Context) -> Any:  # noqa: N802  gRPC's name
        return await self._answered("RepositoryModelLoad", _refuse_change, context, permission="admin")

    async def RepositoryModelUnload(self, _: bytes, context: Context) -> Any:  # noqa: N802  gRPC's name
        return await self._answered("RepositoryModelUnload", _refuse_change, context, permission="admin")

    async def _parsed(self, kind: Any, message: bytes) -> Any:
        return await self._models.offload.call(len(message), parse, kind, message)

    async def _answered(
        self,
        method: str,
        answer: Callable[[], Awaitable[Any]],
        call: Context,
        *,
        permission: Permission | None,
        size: int = 0,
    ) -> Any:
        """Answer a caller with `permission` (None: anybody), or set the refusal as the call's status."""
        metadata = [(name.encode(), _bytes(value)) for name, value in call.invocation_metadata() or ()]
        named = next((value for name, value in metadata if name == HEADER), None)
        trace = None if named is None else trace_of(named)
        context = RequestContext(f"grpc:{method}", LOCAL, trace, time.perf_counter())
        status = HTTPStatus.OK.value
        try:
            if permission is not None:
                context = context._replace(caller=None)
                caller = await self._exchange.access.admit(authorization_of(metadata), permission)
                self._exchange.access.count(caller, work_of(size))
                context = context._replace(caller=caller)
            token = current.set(context)
            try:
                return await answer()
            finally:
                current.reset(token)
        except Exception as error:  # noqa: BLE001  whatever fails, the caller gets a code and a problem document
            # Don't keep `error` after this block: it and its traceback form a cycle that keeps the message.
            refused = self._exchange.refuse_now(error, context)
            status = refused.status
            refuse(call, refused)
            return None
        finally:
            self._exchange.responded(context, status)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


async def _refuse_change() -> Any:
    raise NotServed("The model can't be changed while it serves.", remedy="Deploy another bundle instead.")


def parse(kind: Any, message: bytes) -> Any:
    """Parse a message; raises MalformedBody, and BodyTooLarge if it has more values than a valid call can have."""
    if fields.holds_more(message, MOST_VALUES):
        raise too_large()
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise MalformedBody(
            f"The message isn't a {kind.DESCRIPTOR.name}.", remedy="Send what KServe's V2 protocol asks for."
        ) from error


def read_call(request: pb.ModelInferRequest) -> Call:
    """Return a request's call, of typed or raw contents; raises InputError naming every invalid tensor."""
    faults, inputs = Faults(), []
    require_few_tensors(len(request.inputs), faults)
    raws = request.raw_input_contents
    if raws and len(raws) != len(request.inputs):
        faults.add("/raw_input_contents", f"{len(raws)} contents for {len(request.inputs)} inputs")
        raise_faults(faults)
    for place, given in enumerate(request.inputs):
        at = f"/inputs/{place}"
        if find_datatype_fault(given.datatype, at, faults):
            continue
        if not 1 <= len(given.shape) <= 2 or min(given.shape) < 0:
            faults.add(f"{at}/shape", "expected one or two dimensions")
            continue
        contents = getattr(given.contents, _CONTENTS[given.datatype])
        if raws and given.HasField("contents"):
            faults.add(f"{at}/contents", "can't stand beside raw_input_contents")
            continue
        try:
            data = from_binary(raws[place], given.datatype) if raws else _typed(contents, given.datatype)
        except ValueError:
            faults.add(f"/raw_input_contents/{place}", f"these bytes aren't whole values of {given.datatype}")
            continue
        inputs.append(Tensor(at=at, name=given.name, shape=tuple(given.shape), data=data))
    raise_faults(faults)
    return Call(inputs=inputs, outputs=tuple(each.name for each in request.outputs), id=request.id)


def _typed(contents: Sequence[Any], datatype: str) -> Any:
    return np.array(contents, np.float64) if datatype == "FP64" else list(contents)


def _write(outputs: Sequence[Output], response: pb.ModelInferResponse, *, raw: bool) -> None:
    """Add the outputs to a response, as raw contents if the inputs were raw."""
    for output in outputs:
        added = response.outputs.add(name=output.name, datatype=output.datatype, shape=(len(output.data),))
        if raw:
            response.raw_output_contents.append(to_binary(output.data))
        else:
            getattr(added.contents, _CONTENTS[output.datatype]).extend(output.data)
