"""V2 over gRPC: KServe's service, on the same event loop as HTTP."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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
from customer_risk.serving.errors import MalformedBody, NotServed, RequestTooSlow
from customer_risk.serving.exchange.all_or_none import raise_faults
from customer_risk.serving.exchange.exchange import Exchange, refused_for
from customer_risk.serving.exchange.outcome import RequestContext, current
from customer_risk.serving.http.admission import Admission, overloaded
from customer_risk.serving.http.body import MOST_BYTES
from customer_risk.serving.http.budget import Budget, Held
from customer_risk.serving.kserve.v2 import fields
from customer_risk.serving.kserve.v2.call_server import CallServer
from customer_risk.serving.kserve.v2.models import Models
from customer_risk.serving.kserve.v2.pacing import Pacing
from customer_risk.serving.kserve.v2.settings import GrpcSettings
from customer_risk.serving.kserve.v2.status import status_of
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
Messages = AsyncIterator[bytes]

_MOST_CALLS: Final = 1024  # at a time, including calls that are being refused
_PACE_SECONDS: Final = 0.001  # between two refusals of calls from one host
_MOST_ARRIVING: Final = 8  # messages that are read at a time
_SOON_SECONDS: Final = 0.1  # a message that takes longer to arrive counts as MOST_BYTES long
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MOST_BYTES),
    ("grpc.max_concurrent_streams", 32),
    # gRPC buffers 64 KiB of a message that isn't read yet. With the probe, it buffers megabytes from a fast client.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.absolute_max_metadata_size", 32 * 1024),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_allowed_incoming_connections", 1024),
)

_OVERLOADED: Final = status_of(refused_for(overloaded(), RequestContext("")))

_CONTENTS: Final = {"FP64": "fp64_contents", "BYTES": "bytes_contents"}


class GrpcServer:
    """Answers KServe's gRPC service through `exchange`.

    `admission` refuses calls under overload, `budget` bounds the bytes of unanswered messages (None: no bound). No gRPC
    object is made before `start`, so a process may fork until then.
    """

    def __init__(
        self,
        exchange: Exchange,
        settings: GrpcSettings,
        admission: Admission | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._exchange = exchange
        self._settings = settings
        self._admission = admission or Admission(0)
        self._budget = budget or Budget(sys.maxsize, sys.maxsize)
        self._server: Any = None
        self.port = settings.port

    async def start(self) -> None:
        """Listen, on the running event loop; raises ConfigError if it can't."""
        servicer = _Servicer(self._exchange, self._admission, self._budget, self._settings.message_seconds)
        self._server = CallServer(_handlers(servicer), _OPTIONS, _MOST_CALLS)
        host, port = self._settings.host, self._settings.port
        try:
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            self.port = self._server.add_insecure_port(address.encode())
        except RuntimeError as error:
            raise ConfigError(
                f"Can't listen for gRPC on {host}:{port}.", remedy="Choose another grpc.host or grpc.port."
            ) from error
        await self._server.start()

    async def stop(self) -> None:
        """Accept no more calls, and wait `grace_seconds` for those under way."""
        if self._server is not None:
            await self._server.shutdown(self._settings.grace_seconds)


def _handlers(servicer: _Servicer) -> dict[str, Any]:
    """Return the service's handlers by full name of method; each authenticates before it reads the message.

    They are declared as handlers of a stream of messages: gRPC calls a handler of a single message only after the whole
    message has arrived, even without a valid token. Methods with several messages aren't served.
    """
    service = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    return {
        f"/{service.full_name}/{method.name}": grpc.stream_unary_rpc_method_handler(
            getattr(servicer, method.name), response_serializer=lambda response: response.SerializeToString()
        )
        for method in service.methods
        if hasattr(servicer, method.name)
    }


class _Servicer:
    def __init__(self, exchange: Exchange, admission: Admission, budget: Budget, message_seconds: float) -> None:
        self._exchange = exchange
        self._models = Models(exchange)
        self._admission = admission
        self._budget = budget
        self._message_seconds = message_seconds
        self._arriving = asyncio.Semaphore(_MOST_ARRIVING)
        self._reading: set[asyncio.Task[Any]] = set()
        self._pacing = Pacing(_PACE_SECONDS)

    async def ServerLive(self, _: Messages, __: Context) -> pb.ServerLiveResponse:  # noqa: N802  gRPC's name
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, _: Messages, __: Context) -> pb.ServerReadyResponse:  # noqa: N802  gRPC's name
        return pb.ServerReadyResponse(ready=self._models.ready)

    async def ModelReady(self, _: Messages, context: Context) -> pb.ModelReadyResponse:  # noqa: N802  gRPC's name
        async def answer(message: bytes) -> Any:
            request = await self._parsed(pb.ModelReadyRequest, message)
            return pb.ModelReadyResponse(ready=self._models.is_ready(request.name, request.version))

        return await self._answered("ModelReady", answer, context, permission=None)

    async def ServerMetadata(self, _: Messages, __: Context) -> pb.ServerMetadataResponse:  # noqa: N802  gRPC's name
        return pb.ServerMetadataResponse(**msgspec.to_builtins(self._models.server()))

    async def ModelMetadata(self, _: Messages, context: Context) -> pb.ModelMetadataResponse:  # noqa: N802  gRPC's name
        async def answer(message: bytes) -> Any:
            request = await self._parsed(pb.ModelMetadataRequest, message)
            return pb.ModelMetadataResponse(**msgspec.to_builtins(self._models.metadata(request.name, request.version)))

        return await self._answered("ModelMetadata", answer, context, permission=None)

    async def ModelInfer(self, _: Messages, context: Context) -> pb.ModelInferResponse:  # noqa: N802  gRPC's name
        async def answer(message: bytes) -> Any:
            request = await self._parsed(pb.ModelInferRequest, message)
            self._models.require(request.model_name, request.model_version)
            call = await self._models.offload.call(len(message), read_call, request)
            inferred = await self._models.infer(call)
            response = pb.ModelInferResponse(
                model_name=inferred.model.name, model_version=inferred.model.version, id=request.id
            )
            _write(inferred.outputs, response, raw=bool(request.raw_input_contents))
            return response

        return await self._answered("ModelInfer", answer, context, permission="score")

    async def RepositoryModelLoad(self, _: Messages, context: Context) -> Any:  # noqa: N802  gRPC's name
        return await self._answered("RepositoryModelLoad", _refuse_change, context, permission="admin")

    async def RepositoryModelUnload(self, _: Messages, context: Context) -> Any:  # noqa: N802  gRPC's name
        return await self._answered("RepositoryModelUnload", _refuse_change, context, permission="admin")

    async def _parsed(self, kind: Any, message: bytes) -> Any:
        return await self._models.offload.call(len(message), parse, kind, message)

    async def _answered(
        self, method: str, answer: Callable[[bytes], Awaitable[Any]], call: Context, *, permission: Permission | None
    ) -> Any:
        """Return the answer to a caller with `permission` (None: every caller), or None for a refusal."""
        if not self._admission.admits():
            await self._pacing.wait(_host(call))
            _OVERLOADED.end(call)
            return None
        metadata = [(name.encode(), _bytes(value)) for name, value in call.invocation_metadata() or ()]
        named = next((value for name, value in metadata if name == HEADER), None)
        trace = None if named is None else trace_of(named)
        context = RequestContext(f"grpc:{method}", LOCAL, trace, time.perf_counter())
        status = HTTPStatus.OK.value
        self._admission.queue()
        try:
            client = _host(call)
            if permission is not None:
                context = context._replace(caller=None)
                caller = await self._exchange.access.admit(authorization_of(metadata), permission)
                context = context._replace(caller=caller)
                client = client if caller is LOCAL else caller.name
            token = current.set(context)
            try:
                with self._budget.hold(client) as held:
                    message = await self._read(call, held)
                    if permission is not None:
                        self._exchange.access.count(context.admitted, work_of(len(message)))
                    return await answer(message)
            finally:
                current.reset(token)
        except Exception as error:  # noqa: BLE001  the caller gets a code and a problem document
            # Don't keep `error` after this block: with its traceback it forms a reference cycle that keeps the message.
            refused = self._exchange.refuse_now(error, context)
            status = refused.status
            status_of(refused).end(call)
            return None
        finally:
            self._admission.leave()
            self._exchange.responded(context, status)

    async def _read(self, call: Context, held: Held) -> bytes:
        """Return the call's message; raises RequestTooSlow, Overloaded and MalformedBody.

        gRPC doesn't expose the size of a message that has arrived in part. Therefore few messages are read at a time. A
        message that takes longer than _SOON_SECONDS counts as MOST_BYTES long, and the next ones are read.
        """
        async with self._arriving:
            # Don't use the iterator: a suspended generator keeps the message until garbage collection. Don't cancel the
            # task, which ends with the call: gRPC would never free a message that has arrived.
            reading = asyncio.ensure_future(call.read())
            self._reading.add(reading)
            reading.add_done_callback(self._read_done)
            await asyncio.wait((reading,), timeout=_SOON_SECONDS)
        if not reading.done():
            held.grow(MOST_BYTES)
            await asyncio.wait((reading,), timeout=self._message_seconds)
        if not reading.done():
            raise RequestTooSlow("The message arrived too slowly.", remedy="Send the whole message at once.")
        message = reading.result()
        if message is grpc.aio.EOF:
            raise MalformedBody("The call has no message.", remedy="Send one message.")
        held.grow(len(message))
        return message  # type: ignore[no-any-return]  # gRPC ships no types

    def _read_done(self, reading: asyncio.Task[Any]) -> None:
        self._reading.discard(reading)
        if not reading.cancelled():
            reading.exception()  # marks the error of an ended call as handled, so that asyncio doesn't log it


def _host(call: Context) -> str:
    """Return the address of a caller's host as gRPC writes it, such as `ipv4:10.0.0.7`."""
    return call.peer().rpartition(":")[0]  # type: ignore[no-any-return]  # gRPC ships no types


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


async def _refuse_change(_: bytes) -> Any:
    raise NotServed("The model can't be changed while it serves.", remedy="Deploy another bundle instead.")


def parse(kind: Any, message: bytes) -> Any:
    """Parse a message; raises MalformedBody, and BodyTooLarge if it has more values than a valid call can have."""
    if fields.holds_more(message, MOST_VALUES):
        raise too_large()
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise MalformedBody(
            f"The message isn't a {kind.DESCRIPTOR.name}.", remedy="Send a request of KServe's V2 protocol."
        ) from error


def read_call(request: pb.ModelInferRequest) -> Call:
    """Return the call of a request with typed or raw contents; raises InputError naming every invalid tensor."""
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
        if raws and given.contents.ByteSize():
            faults.add(f"{at}/contents", "can't be combined with raw_input_contents")
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
