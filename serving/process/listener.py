"""The port: one socket for each worker, all on the same address."""

from __future__ import annotations

import socket
from typing import Final

from customer_risk.model.errors import ConfigError

BACKLOG: Final = 2048


def listener(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Listen on a TCP port, `shared` with other such sockets; raises ConfigError where that can't be done."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=shared)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"Can't listen on {host}:{port}: {error}.", remedy="Choose another --host or --port."
        ) from error


def listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """Listen `count` times on one port: the kernel spreads connections over the sockets.

    A socket shared by all would let whoever wakes first take a whole burst of connections, and keep them.
    """
    if count == 1:
        return [listener(host, port)]
    with listener(host, port):  # one that isn't shared first: a port that another server shares is taken
        pass
    first = listener(host, port, shared=True)
    taken = first.getsockname()[1]
    return [first, *(listener(host, taken, shared=True) for _ in range(count - 1))]


def url_of(listening: socket.socket) -> str:
    """Return where a socket listens, as a URL that can be pasted."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
