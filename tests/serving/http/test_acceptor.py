"""Taking up connections."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket

import pytest
import uvloop

from customer_risk.serving.http.acceptor import Acceptor


class Counted(asyncio.Protocol):
    """Counts those that were made, and greets."""

    made = 0

    def connection_made(self, transport) -> None:
        """Greet."""
        type(self).made += 1
        transport.write(b"hello")
        transport.close()


@pytest.fixture
def counted() -> type[Counted]:
    """A protocol of the test's own."""
    return type("Mine", (Counted,), {"made": 0})


@pytest.fixture
def listening():
    """A socket to connect to."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as made:
        yield made


def run(scenario) -> None:
    """Run on the loop that serves."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


@contextlib.contextmanager
def crowd(listening, size: int):
    """So many who connect at once."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(listening.getsockname(), 5)) for _ in range(size)]


async def turns(count: int) -> None:
    """Let the event loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_crowd_is_taken_up_within_a_few_turns(listening, counted) -> None:
    """However many connect at once: one in a turn would keep the last waiting for a hundred of them."""

    async def scenario() -> None:
        acceptor = Acceptor(listening, counted)
        with crowd(listening, 100):
            await turns(8)
            assert counted.made == 100
        acceptor.close()
        await turns(3)

    run(scenario)


def test_without_files_connections_wait(listening, counted, caplog) -> None:
    """They are taken up once there are files again, and the log says why they waited."""

    async def scenario() -> None:
        acceptor = Acceptor(listening, counted)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with crowd(listening, 3) as callers:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            try:
                await turns(8)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert counted.made == 0
            async with asyncio.timeout(600):
                while counted.made < 3:  # noqa: ASYNC110  there is no event to wait for
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0)
            assert [caller.recv(5) for caller in callers] == [b"hello"] * 3
        acceptor.close()

    run(scenario)
    assert "have to wait" in caplog.text


def test_a_closed_one_takes_up_no_more(listening, counted) -> None:
    """Even where it was about to try again."""

    async def scenario() -> None:
        acceptor = Acceptor(listening, counted)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with crowd(listening, 1):
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            try:
                await turns(4)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            acceptor.close()
            await asyncio.sleep(0.2)
            assert counted.made == 0

    run(scenario)
