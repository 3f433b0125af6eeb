"""A server of grpcio for asyncio, with its own tasks that accept calls.

It replaces the task of grpcio 1.85 that accepts calls, for two reasons. That task ends at the first call of an unknown
method whose path isn't UTF-8, and no later call is answered; such a call needs no token. The task also takes several
turns of the event loop for each call, so that under overload calls wait in gRPC's own queue, where `Admission` can't
count them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from grpc._cython import cygrpc

_ACCEPTING_TASKS: Final = 32  # of each method: the calls that can be accepted in one turn of the event loop
_log = logging.getLogger("serving")


class CallServer(cygrpc.AioServer):  # type: ignore[misc]  # gRPC ships no types
    """A server of `methods`, which are handlers by full name; a call of another method gets UNIMPLEMENTED.

    At most `most_calls` calls are answered at a time; a further call gets RESOURCE_EXHAUSTED.
    """

    def __init__(self, methods: Mapping[str, Any], options: tuple[tuple[str, int], ...], most_calls: int) -> None:
        self._events = asyncio.get_running_loop()
        super().__init__(self._events, None, (), None, options, None)
        self.add_registered_method_handlers(dict(methods))
        self._methods = tuple(methods)
        self._resolver = cygrpc._MethodResolver([], dict(methods))  # noqa: SLF001  gRPC has no public name for it
        self._most = most_calls
        self._calls: set[asyncio.Task[None]] = set()
        self._accepting: list[asyncio.Task[None]] = []
        self._ending = self._events.create_future()  # gRPC's own task waits for this future instead of calls

    async def start(self) -> None:
        """Listen, and accept calls."""
        await super().start()
        for method in self._methods:
            self._accepting += [self._events.create_task(self._accept(method)) for _ in range(_ACCEPTING_TASKS)]
        self._accepting.append(self._events.create_task(self._accept(None)))

    async def shutdown(self, grace: float | None) -> None:
        """Accept no more calls, and wait at most `grace` seconds for those under way."""
        if not self._ending.done():
            self._ending.set_exception(cygrpc._RequestCallError())  # noqa: SLF001  as at the end of gRPC's own requests
        await super().shutdown(grace)
        await asyncio.gather(*self._accepting)

    async def _accept(self, method: str | None) -> None:
        """Accept the calls of a method (None: of all unknown methods) until the server is shut down."""
        name = method or "/"
        while True:
            try:
                if method is None:
                    call = await self._request_call()
                else:
                    call = await self._request_registered_call(method.encode())
            except cygrpc._RequestCallError:  # noqa: SLF001
                if self._ending.done():
                    return
                _log.warning("gRPC lost a call of %s before it was accepted", name)
                continue
            exceeded = len(self._calls) >= self._most
            answering = cygrpc._handle_rpc(name, self._resolver, (), call, self._events, exceeded)  # noqa: SLF001
            task = self._events.create_task(
                cygrpc._schedule_rpc_coro(answering, call, self._events, name)  # noqa: SLF001
            )
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    def _make_request_call_future(self, _: bytes | None) -> asyncio.Future[Any]:
        return self._ending
