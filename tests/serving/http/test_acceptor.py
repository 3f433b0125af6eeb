"""The acceptor of connections."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket

import pytest
import uvloop

from customer_risk.serving.http.acceptor import Acceptor


class Counted(asyncio.Protocol):
    """A protocol that counts its connections, and sends a greeting."""

    made = 0

    def connection_made(self, transport) -> None:
        """Greet."""
        type(self).made += 1
        transport.write(b"hello")
        transport.close()


@pytest.fixture
def counted() -> type[Counted]:
    """The protocol class of one test."""
    return type("Mine", (Counted,), {"made": 0})


@pytest.fixture
def listening():
    """A listening socket."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as made:
        yield made


def run(scenario) -> None:
    """Run on the loop that serves."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


@contextlib.contextmanager
def crowd(listening, size: int):
    """Open several connections at once."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(listening.getsockname(), 5)) for _ in range(size)]


async def turns(count: int) -> None:
    """Let the event loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_all_waiting_connections_are_accepted_in_one_turn(listening, counted) -> None:
    """All connections that are opened at once are accepted in one turn of the event loop."""

    async def scenario() -> None:
        acceptor = Acceptor(listening, counted)
        with crowd(listening, 100):
            await turns(8)
            assert counted.made == 100
        acceptor.close()
        await turns(3)

    run(scenario)


def test_connections_wait_for_free_descriptors(listening, counted, caplog) -> None:
    """Without free descriptors, connections wait until there are some again, and the log has the reason."""

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


def test_a_closed_acceptor_accepts_no_connection(listening, counted) -> None:
    """After `close`, no connection is accepted, even during the pause before a retry."""

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
