"""The gate ahead of gRPC's methods, as the lane is ahead of HTTP's paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from customer_risk.serving.auth.access import AccessControl, authorization_of, work_of
from customer_risk.serving.auth.caller import Permission, current
from customer_risk.serving.contract.problem import headers_of
from customer_risk.serving.errors import Forbidden, Later, RequestError, TooManyRequests, Unauthenticated

OPEN: Final = frozenset(("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata"))
_SERVICE: Final = "/inference.GRPCInferenceService/"
_CODES: Final = (
    (Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (Forbidden, grpc.StatusCode.PERMISSION_DENIED),
    (TooManyRequests, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (Later, grpc.StatusCode.UNAVAILABLE),
    (RequestError, grpc.StatusCode.INVALID_ARGUMENT),
)

Handler = Any  # grpc.RpcMethodHandler, which ships no types


class AuthInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # gRPC ships no types
    """Lets callers in by `gate`; handlers find them in `serving.auth.caller.current`. Health and metadata are open."""

    def __init__(self, gate: AccessControl) -> None:
        self._gate = gate

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Handler]], handler_call_details: Any
    ) -> Handler:
        """Put the gate around a method; one that streams is refused, since none is served."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or (method.startswith(_SERVICE) and method.removeprefix(_SERVICE) in OPEN):
            return handler
        if handler.unary_unary is None:
            return None
        scope: Permission = "admin" if "Repository" in method else "score"
        metadata = [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in handler_call_details.invocation_metadata or ()
        ]
        authorization = authorization_of(metadata)
        gate = self._gate

        async def behind_the_gate(message: bytes, context: Any) -> Any:
            try:
                caller = gate.pass_now(authorization, scope) or await gate.pass_in(authorization, scope)
                gate.count(caller, work_of(len(message)))
            except RequestError as error:
                code = next(code for kind, code in _CODES if isinstance(error, kind))
                context.set_code(code)
                context.set_details(str(error))
                context.set_trailing_metadata(headers_of(error))
                return None
            token = current.set(caller)
            try:
                return await handler.unary_unary(message, context)
            finally:
                current.reset(token)

        return grpc.unary_unary_rpc_method_handler(
            behind_the_gate,
            response_serializer=handler.response_serializer,
        )
