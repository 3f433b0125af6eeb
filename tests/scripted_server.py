"""A server that follows a script of failures."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import NamedTuple, Self


class Seen(NamedTuple):
    """A request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers the request of each connection with the next step of `script`, and repeats the last step.

    A step is bytes to send, None to close the connection, or seconds to wait before closing it. Every answer closes
    its connection. `saw` has the requests. With `encryption` the server uses TLS.
    """

    def __init__(self, *script: bytes | float | None, encryption: ssl.SSLContext | None = None) -> None:
        self._script = script
        self.saw: list[Seen] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if encryption else ''}://127.0.0.1:{self._listener.getsockname()[1]}"
        if encryption:
            self._listener = encryption.wrap_socket(self._listener, server_side=True)
        self._released = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def release(self) -> None:
        """End all waits of the script."""
        self._released.set()

    def _serve(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except ssl.SSLError:  # the client doesn't trust the certificate
                continue
            except OSError:
                return
            with connection:
                step = self._script[min(len(self.saw), len(self._script) - 1)]
                self.saw.append(_read(connection))
                if isinstance(step, bytes):
                    connection.sendall(step)
                elif step is not None:
                    self._released.wait(step)


def _read(connection: socket.socket) -> Seen:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    line, *rest = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    return Seen(line, headers, body)


def response(status: int, body: bytes = b"", *headers: str) -> bytes:
    """Return a whole HTTP response that closes its connection."""
    fields = "".join(f"{each}\r\n" for each in (*headers, f"content-length: {len(body)}", "connection: close"))
    return f"HTTP/1.1 {status} X\r\n{fields}\r\n".encode() + body
