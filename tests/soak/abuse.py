"""A hostile caller of one kind, which runs until it is killed: `python -m tests.soak.abuse KIND < TARGET`.

TARGET is a `Target` as JSON. All connections come from the address SOURCE. KINDS names the kinds; `all` runs all kinds
at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

import grpc
import msgspec

from benchmarks.serving.hostile import BATCH, GRPC, RISK, Hostile, corpus, wrapped
from tests.fuzz.raw_grpc import INFER, PREFACE, frame, headers, headers_of
from tests.soak.record import request

SOURCE: Final = "127.0.0.2"
SECONDS: Final = 60  # timeout of one call
_WORST: Final = {"empty rows", "sound rows, the last one bad", "unknown features", "bad columns", "a list", "deep"}
_BEGIN: Final = PREFACE + frame(4, 0, 0, b"")


class Target(msgspec.Struct, frozen=True):
    """The ports of a server, and the tokens of hostile clients with the scope `score`."""

    port: int
    grpc_port: int
    tokens: list[str]

    def connect(self, port: int | None = None) -> socket.socket:
        """Return a connection from the hostile address; raises OSError."""
        return socket.create_connection(("127.0.0.1", port or self.port), SECONDS, (SOURCE, 0))

    def head(self, path: str, length: str, token: str | None = None) -> bytes:
        """Return the head of a POST of JSON; `length` is the header field that says where the body ends."""
        authorization = f"Authorization: Bearer {token or self.tokens[0]}\r\n"
        fields = f"Host: x\r\nContent-Type: application/json\r\n{authorization}{length}\r\n\r\n"
        return f"POST {path} HTTP/1.1\r\n{fields}".encode()


Kind = Callable[[Target], Iterable[Callable[[], object]]]  # functions to repeat, each on a thread of its own


def bombs(target: Target) -> Iterable[Callable[[], object]]:
    """Send the most expensive bodies of the greatest size, from four clients."""
    bodies = [one for one in corpus(only=_WORST) if one.entrance != GRPC]
    return [_post_all(target, bodies[place::4], target.tokens[place]) for place in range(4)]


def _post_all(target: Target, bodies: list[Hostile], token: str) -> Callable[[], object]:
    def post() -> None:
        for one in bodies:
            with target.connect() as connection:
                length = f"Content-Length: {len(one.body)}\r\nConnection: close"
                connection.sendall(target.head(one.entrance, length, token) + one.body)
                _read_all(connection)

    return post


def grpc_bombs(target: Target) -> Iterable[Callable[[], object]]:
    """Send the most expensive gRPC messages of the greatest size, from four clients."""
    bodies = [one.body for one in corpus(only=_WORST | {"empty inputs", "parameters"}) if one.entrance == GRPC]
    return [_infer_all(target, bodies[place::4], target.tokens[place]) for place in range(4)]


def grpc_flood(target: Target) -> Iterable[Callable[[], object]]:
    """Send gRPC calls without a pause, 640 at a time, from many clients."""
    message = wrapped(request(), GRPC)
    return [_streaming(target, token, b"\x00" + len(message).to_bytes(4, "big") + message) for token in target.tokens]


def _streaming(target: Target, token: str, message: bytes) -> Callable[[], object]:
    """Return a function that repeatedly makes 20 calls at once on one connection and reads all responses.

    It writes HTTP/2 itself: a client of gRPC's library needs more processor time for a call than the server does.
    """

    def call() -> None:
        with target.connect(target.grpc_port) as connection:
            widest = (1 << 31) - 1 - 65_535  # the greatest window for responses, since it is never renewed
            connection.sendall(PREFACE + frame(4, 0, 0, b"") + frame(8, 0, 0, widest.to_bytes(4, "big")))
            left = b""
            for first in range(1, 1 << 30, 40):
                streams = range(first, first + 40, 2)
                head = headers_of(INFER, token)
                sent = b"".join(headers(each, head) + frame(0, 1, each, message) for each in streams)
                connection.sendall(sent)
                left = _read_streams(connection, left, len(streams))

    return call


def _read_streams(connection: socket.socket, received: bytes, count: int) -> bytes:
    """Read until `count` streams have ended; return the bytes after them; raises OSError if the connection ends."""
    while count:
        size = 9 + int.from_bytes(received[:3], "big")
        if len(received) >= max(size, 9):
            kind, flags = received[3], received[4]
            if kind == 4 and not flags & 1:
                connection.sendall(frame(4, 1, 0, b""))
            if kind == 6 and not flags & 1:
                connection.sendall(frame(6, 1, 0, received[9:17]))
            count -= (kind in {0, 1} and flags & 1) or kind == 3
            received = received[size:]
        elif more := connection.recv(1 << 18):
            received += more
        else:
            raise ConnectionResetError
    return received


def _infer_all(target: Target, messages: list[bytes], token: str) -> Callable[[], object]:
    metadata = (("authorization", f"Bearer {token}"),)
    channel = grpc.insecure_channel(f"127.0.0.1:{_relay(target)}", options=[("grpc.use_local_subchannel_pool", 1)])
    infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    def call() -> None:
        for message in messages:
            with contextlib.suppress(grpc.RpcError):
                infer(message, metadata=metadata, timeout=SECONDS)

    return call


def flood(target: Target) -> Iterable[Callable[[], object]]:
    """Send requests of one client without a pause; most are beyond its limit."""
    return [_pipelined(target, _single(target, target.tokens[0])) for _ in range(8)]


def crowd(target: Target) -> Iterable[Callable[[], object]]:
    """Send requests of many clients without a pause; each is within its limit, all together overload the server."""
    return [_pipelined(target, _single(target, token)) for token in target.tokens]


def unauthenticated(target: Target) -> Iterable[Callable[[], object]]:
    """Send requests without a valid token without a pause."""
    return [_pipelined(target, _single(target, "a.b.c")) for _ in range(8)]


def metrics(target: Target) -> Iterable[Callable[[], object]]:
    """Request `/metrics` without a pause, on 20 connections."""
    return [_pipelined(target, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 1) for _ in range(20)]


def docs(target: Target) -> Iterable[Callable[[], object]]:
    """Request the OpenAPI document and its page without a pause, on 20 connections."""
    paths = [b"/ai/v1/docs", b"/ai/v1/openapi.json"]
    return [_pipelined(target, b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % paths[place % 2], 4) for place in range(20)]


def _single(target: Target, token: str) -> bytes:
    body = request()
    return target.head(RISK, f"Content-Length: {len(body)}", token) + body


def _pipelined(target: Target, one: bytes, at_once: int = 16) -> Callable[[], object]:
    """Return a function that repeatedly sends a request `at_once` times and reads all responses."""

    def send() -> None:
        with target.connect() as connection:
            while True:
                connection.sendall(one * at_once)
                _read_responses(connection, at_once)

    return send


def _read_responses(connection: socket.socket, count: int) -> None:
    """Read `count` responses with a Content-Length; raises OSError if the connection ends before."""
    received = b""
    while count:
        head, end, rest = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0) if end else 0
        if end and len(rest) >= length:
            received, count = rest[length:], count - 1
        elif more := connection.recv(1 << 18):
            received += more
        else:
            raise ConnectionResetError


def unfinished(target: Target) -> Iterable[Callable[[], object]]:
    """Send thirty batches of 31 MB that are never complete."""
    part = b'{"requests":[' + b" " * 1_000_000

    def hold() -> None:
        with target.connect() as connection:
            connection.sendall(target.head(BATCH, f"Content-Length: {31 * len(part) + 1}"))
            for _ in range(31):
                connection.sendall(part)
            _read_all(connection)

    return [hold] * 30


def trailers(target: Target) -> Iterable[Callable[[], object]]:
    """Send endless trailers after a request without a valid token, on ten connections."""
    lines = b"X-Trailer: aaaaaaaaaaaaaaaa\r\n" * 2000

    def send() -> None:
        with target.connect() as connection:
            connection.sendall(target.head(RISK, "Transfer-Encoding: chunked", "a.b.c") + b"2\r\n{}\r\n0\r\n")
            for _ in range(1000):
                connection.sendall(lines)

    return [send] * 10


def garbage(target: Target) -> Iterable[Callable[[], object]]:
    """Send random bytes to both ports, also after a valid HTTP/2 preface."""

    def send(port: int, before: bytes, seed: int) -> Callable[[], object]:
        chance = Random(seed)  # noqa: S311  not for secrets

        def one() -> None:
            with target.connect(port) as connection:
                connection.settimeout(1)
                connection.sendall(before + chance.randbytes(chance.randrange(1, 5000)))
                connection.shutdown(socket.SHUT_WR)
                _read_all(connection)

        return one

    ways = [(target.port, b""), (target.port, b"POST /ai/v1/risk HTTP/1.1\r\n")]
    ways += [(target.grpc_port, b""), (target.grpc_port, _BEGIN)]
    return [send(port, before, seed) for seed, (port, before) in enumerate(ways * 4)]


def resets(target: Target) -> Iterable[Callable[[], object]]:
    """Open HTTP/2 streams and reset them at once, on four connections."""

    def send() -> None:
        with target.connect(target.grpc_port) as connection:
            connection.sendall(_BEGIN)
            for first in range(1, 1 << 20, 200):
                connection.sendall(
                    b"".join(_opened_and_reset(stream, target.tokens[0]) for stream in range(first, first + 200, 2))
                )

    return [send] * 4


def _opened_and_reset(stream: int, token: str) -> bytes:
    return headers(stream, headers_of(INFER, token)) + frame(3, 0, stream, (8).to_bytes(4, "big"))


def idle(target: Target) -> Iterable[Callable[[], object]]:
    """Keep more idle connections open than a worker accepts; open another one when one is closed."""
    return [lambda: asyncio.run(_hold(target, 4200, b""))]


def slow_heads(target: Target) -> Iterable[Callable[[], object]]:
    """Send a thousand heads byte by byte."""
    return [lambda: asyncio.run(_hold(target, 1000, b"POST /ai/v1/risk HTTP/1.1\r\nHost: x\r\nX: "))]


async def _hold(target: Target, count: int, begin: bytes) -> None:
    """Keep `count` connections open; if they `begin` a request, each sends one more byte of it every second."""

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                reader, writer = await asyncio.open_connection("127.0.0.1", target.port, local_addr=(SOURCE, 0))
                writer.write(begin)
                while not reader.at_eof():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(1000), 1)
                        continue
                    writer.write(b"x" if begin else b"")
                writer.close()
            await asyncio.sleep(0.2)

    await asyncio.gather(*(one() for _ in range(count)))


def _relay(target: Target) -> int:
    """Return a local port that forwards to the gRPC port from SOURCE: gRPC's client can't choose its own address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 18):
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while True:
            near, _ = listening.accept()
            try:
                far = target.connect(target.grpc_port)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            for pair in ((near, far), (far, near)):
                threading.Thread(target=carry, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listening.getsockname()[1])


def _read_all(connection: socket.socket) -> None:
    while connection.recv(1 << 18):
        pass


KINDS: Final[dict[str, Kind]] = {
    "bombs": bombs,
    "grpc-bombs": grpc_bombs,
    "flood": flood,
    "crowd": crowd,
    "grpc-flood": grpc_flood,
    "unauthenticated": unauthenticated,
    "unfinished": unfinished,
    "trailers": trailers,
    "idle": idle,
    "slow-heads": slow_heads,
    "metrics": metrics,
    "docs": docs,
    "garbage": garbage,
    "resets": resets,
}


def main() -> None:
    """Abuse the server until this process is killed."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    target = msgspec.json.decode(sys.stdin.buffer.read(), type=Target)
    names = KINDS if sys.argv[1] == "all" else [sys.argv[1]]
    for name in names:
        for act in KINDS[name](target):
            threading.Thread(target=_again_and_again, args=(act,), daemon=True).start()
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    threading.Event().wait()


def _again_and_again(act: Callable[[], object]) -> None:
    while True:
        try:
            act()
        except OSError:
            time.sleep(0.01)


if __name__ == "__main__":
    main()
