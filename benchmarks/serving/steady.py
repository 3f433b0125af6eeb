"""An open-loop client: sends requests on schedule, independently of the answers, and times each from its due time.

A closed-loop client (wrk) waits for a slow answer before its next request, so the requests that it couldn't send during
a stall are never timed ("coordinated omission"). Here they wait for a connection, and this wait counts.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Steady:
    """The result of a run at a fixed rate.

    `milliseconds` float64[n] and `status` int64[n] are those of the answers, in the order of arrival. `offered` is the
    number of requests that were due. `late` is the greatest delay in milliseconds that the client itself caused, while
    a connection was free.
    """

    milliseconds: NDArray[np.float64]
    status: NDArray[np.int64]
    offered: int
    sent: int
    seconds: float
    late: float

    def percentile(self, share: float) -> float:
        """Return this percentile of the milliseconds of answers with status 200; infinite without one."""
        good = self.milliseconds[self.status == 200]
        return float(np.percentile(good, share)) if good.size else float("inf")


def steady(
    port: int,
    path: str,
    bodies: Sequence[bytes],
    *,
    rate: float,
    seconds: float,
    connections: int = 16,
    core: int | None = 1,
    give_up: float = float("inf"),
) -> Steady:
    """Send `rate` requests a second for `seconds`, from a separate process on one core; return the result.

    A request that gets no free connection for `give_up` seconds isn't sent, as with an exhausted connection pool.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(drive, port, path, list(bodies), rate, seconds, connections, core, give_up).result()


def drive(
    port: int,
    path: str,
    bodies: Sequence[bytes],
    rate: float,
    seconds: float,
    connections: int,
    core: int | None,
    give_up: float = float("inf"),
) -> Steady:
    """Send and time requests in this process, which does nothing else meanwhile."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [head.encode() + b"%d" % len(body) + _END + body for body in bodies]
    return _Client(port, requests, connections).run(rate, seconds, give_up)


class _Connection:
    """A connection with the bytes read of its next answer, and the due time of that request."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = b""
        self.due = 0.0


class _Client:
    def __init__(self, port: int, requests: Sequence[bytes], connections: int) -> None:
        self._port = port
        self._requests = requests
        self._poll = select.epoll()
        self._all: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        self._took: list[float] = []
        self._status: list[int] = []
        self._lost = 0
        for _ in range(connections):
            self._connect()

    def run(self, rate: float, seconds: float, give_up: float) -> Steady:
        """Send on schedule, then wait up to five seconds for the last answers."""
        total = int(rate * seconds)
        sent = taken = 0
        late = 0.0
        waiting: deque[float] = deque()
        clock = time.perf_counter
        began = clock() + 0.01
        stop = began + seconds
        while True:
            now = clock()
            while taken < total and began + taken / rate <= now:
                waiting.append(began + taken / rate)
                taken += 1
            while waiting and now - waiting[0] > give_up:
                waiting.popleft()
            if waiting and self._idle:
                late = max(late, now - waiting[-1])
            while waiting and self._idle and now < stop:
                self._send(self._idle.popleft(), self._requests[sent % len(self._requests)], waiting.popleft())
                sent += 1
            if now >= stop and (len(self._idle) == len(self._all) or now > stop + 5):
                break
            # Don't sleep: a sleeping client would wake too late.
            for number, _ in self._poll.poll(0):
                self._take(self._all[number])
        for one in self._all.values():
            one.socket.close()
        self._poll.close()
        return Steady(np.array(self._took) * 1000, np.array(self._status, np.int64), total, sent, seconds, late * 1000)

    def _send(self, one: _Connection, request: bytes, due: float) -> None:
        one.due = due
        try:
            one.socket.sendall(request)
        except OSError:
            self._replace(one)

    def _take(self, one: _Connection) -> None:
        try:
            part = one.socket.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            self._replace(one)
            return
        one.read += part
        ended = one.read.find(_END)
        if ended < 0:
            return
        head = one.read[:ended].lower()
        place = head.find(b"content-length:")
        length = int(head[place + 15 :].split(b"\r\n", 1)[0])
        if len(one.read) >= ended + 4 + length:
            self._took.append(time.perf_counter() - one.due)
            self._status.append(int(one.read[9:12]))
            one.read = b""
            if b"connection: close" in head:
                self._replace(one)
            else:
                self._idle.append(one)

    def _replace(self, one: _Connection) -> None:
        """Replace a connection that the server closed."""
        self._poll.unregister(one.socket)
        del self._all[one.socket.fileno()]
        one.socket.close()
        self._connect()

    def _connect(self) -> None:
        one = _Connection(self._port)
        self._all[one.socket.fileno()] = one
        self._poll.register(one.socket, select.EPOLLIN)
        self._idle.append(one)
