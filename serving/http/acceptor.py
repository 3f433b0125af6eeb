"""Accepts all waiting connections at once."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Final

_AT_A_TIME: Final = 256
_PAUSE_SECONDS: Final = 0.1
_log = logging.getLogger("serving")


class Acceptor:
    """Accepts connections on `listening`; `make` returns a protocol for each.

    libuv accepts one connection in each turn of the event loop. Under overload a turn takes tens of milliseconds, so
    that many new connections would delay health checks by seconds.
    """

    def __init__(self, listening: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        self._listening = listening
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._paused: asyncio.TimerHandle | None = None
        listening.settimeout(0)
        self._resume()

    def close(self) -> None:
        """Accept no more connections."""
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._listening.fileno())

    def _resume(self) -> None:
        self._paused = None
        self._loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_A_TIME):
            try:
                connection, _ = self._listening.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:  # the client disconnected before
                continue
            except OSError as error:  # no free descriptor: wait until another connection ends
                _log.warning("new connections have to wait: %s", error)
                self._loop.remove_reader(self._listening.fileno())
                self._paused = self._loop.call_later(_PAUSE_SECONDS, self._resume)
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._loop.connect_accepted_socket(self._make, connection))
            self._under_way.add(task)
            task.add_done_callback(self._taken)

    def _taken(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("a connection was lost while it was accepted: %s", error)
