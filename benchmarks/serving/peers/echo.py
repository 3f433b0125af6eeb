"""The upper limit: uvicorn, httptools and uvloop read a body and send a small JSON: `python echo.py PORT`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

_HEAD = [(b"content-type", b"application/json")]


async def echo(
    _: object, receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[[object], Awaitable[None]]
) -> None:
    """Read the whole body and send its length."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    document = b'{"bytes":%d}' % size
    length = (b"content-length", b"%d" % len(document))
    await send({"type": "http.response.start", "status": 200, "headers": [*_HEAD, length]})
    await send({"type": "http.response.body", "body": document})


if __name__ == "__main__":
    uvicorn.run(
        echo, port=int(sys.argv[1]), log_config=None, access_log=False, lifespan="off", loop="uvloop", http="httptools"
    )
