"""A receiver of Alertmanager's notifications on a port of the loopback interface."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

from k8s.local_monitoring.programs import PATIENCE

POLL_SECONDS: Final = 0.2


class Alert(NamedTuple):
    """One alert of a notification; `status` is firing or resolved."""

    name: str
    status: str
    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Webhook:
    """The received alerts, oldest first, and the URL that receives them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._received: list[Alert] = []
        self._changed = threading.Condition()

    def receive(self, notification: dict[str, Any]) -> None:
        """Keep the alerts of a notification in Alertmanager's format."""
        with self._changed:
            for each in notification["alerts"]:
                labels = each["labels"]
                fields = (each["status"], each["fingerprint"], labels, each["annotations"])
                self._received.append(Alert(labels["alertname"], *fields))
            self._changed.notify_all()

    @property
    def received(self) -> list[Alert]:
        """A copy of all received alerts, oldest first."""
        with self._changed:
            return list(self._received)

    def firing(self) -> dict[str, Alert]:
        """Return the alerts whose latest notification says firing, by fingerprint."""
        latest = {each.fingerprint: each for each in self.received}
        return {key: each for key, each in latest.items() if each.status == "firing"}

    def wait_for(self, name: str, again: Callable[[], object] = lambda: None, patience: float = PATIENCE) -> Alert:
        """Return an alert of this name once it fires. `again` is called at each look. Raises TimeoutError."""
        found = self._wait(
            lambda: next((each for each in self.firing().values() if each.name == name), None), again, patience
        )
        if found is None:
            raise TimeoutError(f"{name} did not fire in {patience} s. Received: {self._summary()}")
        return found

    def wait_until_resolved(
        self, name: str, again: Callable[[], object] = lambda: None, patience: float = PATIENCE
    ) -> Alert:
        """Return the latest alert of this name once no alert of this name fires. Raises TimeoutError."""

        def resolved() -> Alert | None:
            all_of_them = [each for each in self.received if each.name == name]
            fires = any(each.name == name for each in self.firing().values())
            return all_of_them[-1] if all_of_them and not fires else None

        found = self._wait(resolved, again, patience)
        if found is None:
            raise TimeoutError(f"{name} was not resolved in {patience} s. Received: {self._summary()}")
        return found

    def _wait(self, look: Callable[[], Alert | None], again: Callable[[], object], patience: float) -> Alert | None:
        deadline = time.monotonic() + patience
        while (found := look()) is None and time.monotonic() < deadline:
            again()
            with self._changed:
                self._changed.wait(POLL_SECONDS)
        return found

    def _summary(self) -> str:
        return ", ".join(f"{each.name} {each.status}" for each in self.received) or "no alert"


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Receive notifications during the context."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.receive(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write no line for a request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inbox = Webhook(f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
