"""Runs work on threads, so that the event loop isn't blocked."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Final, ParamSpec, TypeVar

# Bytes that are read on the event loop before other requests get a turn: a request with some 250 transactions.
MOST_ON_LOOP: Final = 64 * 1024

_TIDY_SECONDS: Final = 1.0
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Offload:
    """One thread that reads large bodies one after the other; it starts with the first of them.

    More threads would read no faster, since Python runs one at a time, and would hold more decoded bodies at once.
    `tidy` is called on the thread a second after a body was read, to free its memory.
    """

    def __init__(self, tidy: Callable[[], object] = lambda: None) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._tidy = tidy
        self._tidying = False

    async def call(
        self,
        size: int,
        function: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Result:
        """Return the result of `function`, which runs on the thread if `size` is more than MOST_ON_LOOP bytes."""
        if size <= MOST_ON_LOOP:
            return function(*arguments, **named)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="large")
        context, loop = copy_context(), asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, lambda: context.run(function, *arguments, **named))
        finally:
            if not self._tidying:
                self._tidying = True
                loop.call_later(_TIDY_SECONDS, self._submit_tidy, self._thread)

    def _submit_tidy(self, thread: ThreadPoolExecutor) -> None:
        self._tidying = False
        thread.submit(self._tidy)


async def run_on_daemon_thread(function: Callable[[], _Result]) -> _Result:
    """Return the result of `function`, which runs on a daemon thread of its own; raises the error that it raises.

    The process ends without waiting for this thread; it would wait for a thread of an executor, as asyncio uses them.
    """
    loop, context = asyncio.get_running_loop(), copy_context()
    result: asyncio.Future[_Result] = loop.create_future()

    def settle(value: _Result | None, error: BaseException | None) -> None:
        if result.cancelled():
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]  # what the function returned

    def run() -> None:
        made: tuple[_Result | None, BaseException | None]
        try:
            made = (context.run(function), None)
        except BaseException as error:  # noqa: BLE001  raised where the result is awaited
            made = (None, error)
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            loop.call_soon_threadsafe(settle, *made)

    threading.Thread(target=run, name="daemon", daemon=True).start()
    return await result


class Turns:
    """Counts what is read on the event loop, to decide when other tasks should run."""

    def __init__(self, *, items: int = 16) -> None:
        self._most_items = items
        self._items = self._bytes = 0

    def due(self, size: int) -> bool:
        """Count an item of `size` bytes; return whether other tasks should run before it is read."""
        self._items += 1
        self._bytes += size
        if self._items <= self._most_items and self._bytes <= MOST_ON_LOOP:
            return False
        self._items, self._bytes = 1, size
        return True
