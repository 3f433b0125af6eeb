"""A proxy that can drop responses, or break a connection in the middle of a request."""

from __future__ import annotations

import contextlib
import select
import socket
import threading

_METHODS = (b"GET ", b"POST ", b"PUT ", b"DELETE ")


class Gate:
    """A proxy before the port of `endpoint`, a server of this machine.

    deaf     nothing comes back
    losing   the connection of a request that begins so ends when its answer comes: it was done, and nobody hears
    left     bytes that come through
    lost     answers lost so far; once they are `most_lost`, no more are
    """

    def __init__(self, endpoint: str) -> None:
        self._port = int(endpoint.rpartition(":")[2])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.deaf = False
        self.losing = b""
        self.left = 1 << 62
        self.lost, self.most_lost = 0, 1 << 62
        self._over = False
        self._near: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop listening, and close every connection."""
        self._over = True
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """Close every connection."""
        for each in list(self._near):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with self._listener:
            while not self._over:
                with contextlib.suppress(TimeoutError):
                    near, _ = self._listener.accept()
                    self._threads.append(threading.Thread(target=self._serve, args=(near,)))
                    self._threads[-1].start()

    def _serve(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as far:
            self._near.add(near)
            self._carry(near, far)
        self._near.discard(near)

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        losing = False
        while not self._over:
            for ready in select.select([near, far], [], [], 0.05)[0]:
                data = ready.recv(65536)
                if ready is near:
                    if data.startswith(_METHODS):
                        losing = bool(self.losing) and data.startswith(self.losing)
                    data, self.left = data[: self.left], self.left - len(data)
                    far.sendall(data)
                elif losing and self.lost < self.most_lost:
                    self.lost += 1
                    return
                elif not self.deaf:
                    near.sendall(data)
                if not data or self.left <= 0:
                    return
