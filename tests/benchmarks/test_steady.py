"""The open-loop client."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest

from benchmarks.serving.steady import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def stalling() -> Iterator[Callable[[float], int]]:
    """Start a server that answers at once, except that it blocks for some seconds at its 50th request."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers = []

    def start(stall: float) -> int:
        seen = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal seen
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(2)
                    seen += 1
                    if seen == 50:
                        time.sleep(stall)  # noqa: ASYNC251  the stall is of the whole server
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            writer.close()

        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve, "127.0.0.1", 0), loop).result()
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    yield start
    for server in servers:
        loop.call_soon_threadsafe(server.close)
    time.sleep(0.05)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_stall_shows_in_the_tail(stalling):
    """A stall of 300 ms shows in p99 although only one connection waited: requests due meanwhile count from then."""
    ran = drive(stalling(0.3), "/", [b"{}"], 200, 1.5, 1, None)
    assert ran.percentile(99) > 200


def test_every_request_due_is_answered(stalling):
    """Without a stall, all that was due is sent and answered."""
    ran = drive(stalling(0.0), "/", [b"{}"], 5, 2.0, 4, None)  # the last is due 0.2 s before the end
    assert (ran.offered, ran.sent, len(ran.status)) == (10, 10, 10)
