"""The real scoring application behind a real server, in this process."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import uvicorn

from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.http.scoring_app import ScoringApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from customer_risk.serving.decisions.service import Service


@contextlib.contextmanager
def listening(service: Service) -> Iterator[str]:
    """Serve the scoring routes of `service`; yield the URL."""

    async def other_routes(*_: object) -> None:
        raise AssertionError("only scoring routes are expected")

    application = ScoringApp(other_routes, Exchange(service))
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_config=None, access_log=False, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()
