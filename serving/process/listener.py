"""Listening sockets: one for each worker, all on the same port."""

from __future__ import annotations

import socket
from typing import Final

from customer_risk.model.errors import ConfigError

BACKLOG: Final = 2048


def listener(host: str, port: int, *, shared: bool = False, settings: str = "--host or --port") -> socket.socket:
    """Return a socket that listens on a TCP port, `shared` with other such sockets.

    Raises ConfigError, which names the `settings` to change, if it can't.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=shared)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"Can't listen on {host}:{port}: {error}.", remedy=f"Choose another {settings}.") from error


def listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """Return `count` sockets that listen on one port; the kernel spreads connections over them.

    With one socket for all, the worker that wakes first would accept and keep a whole burst of connections.
    """
    if count == 1:
        return [listener(host, port)]
    require_free(host, port)
    first = listener(host, port, shared=True)
    taken = first.getsockname()[1]
    return [first, *(listener(host, taken, shared=True) for _ in range(count - 1))]


def require_free(host: str, port: int, *, settings: str = "--host or --port") -> None:
    """Raise ConfigError if another process listens on a port, even if it shares it."""
    listener(host, port, settings=settings).close()


def url_of(listening: socket.socket) -> str:
    """Return the URL that a socket listens on."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
