"""Clients of the gateway, which retry refused requests."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2

from tests.e2e.cluster import PATIENCE

_ATTEMPTS = 100  # attempts of one request; with this bound a test ends if the server refuses every attempt


def send(method: str, url: str, *, told: Callable[[], object] = lambda: None, **options: Any) -> httpx2.Response:
    """Send a request as every client of the service does: after a 503 with Retry-After, wait and send it again.

    Call `told` for each such 503. Return any other response, or the response to the last attempt.
    """
    with httpx2.Client(timeout=PATIENCE) as client:
        return persist(client, method, url, told=told, **options)


def persist(
    client: httpx2.Client, method: str, url: str, *, told: Callable[[], object], **options: Any
) -> httpx2.Response:
    """Send a request with `client`, as `send` does."""
    for _ in range(_ATTEMPTS):
        response = client.request(method, url, **options)
        if response.status_code != 503 or "retry-after" not in response.headers:
            break
        told()
        time.sleep(float(response.headers["retry-after"]))
    return response


@dataclass
class Callers:
    """Clients that send some requests a second during the context, check each response, and store failures."""

    url: str
    headers: dict[str, str]
    requests: list[dict[str, Any]]
    pause: float = 0.05
    threads: int = 2
    failed: list[str] = field(default_factory=list)
    asked_again: int = 0
    decisions: list[str] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    _ending: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Start the threads."""
        for number in range(self.threads):
            self._running.append(threading.Thread(target=self._call, args=(number,)))
            self._running[-1].start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, after the pending requests are answered."""
        self._ending.set()
        for each in self._running:
            each.join()

    def _call(self, number: int) -> None:
        at = number
        with httpx2.Client(timeout=PATIENCE) as client:
            while not self._ending.is_set():
                self._one(client, self.requests[at % len(self.requests)])
                at += self.threads
                time.sleep(self.pause)

    def _one(self, client: httpx2.Client, request: dict[str, Any]) -> None:
        try:
            response = persist(client, "POST", self.url, told=self._told, json=request, headers=self.headers)
            answer = response.json() if response.status_code == 200 else {}
        except (httpx2.HTTPError, ValueError) as error:
            self.failed.append(repr(error))
            return
        if answer.get("customer_id") != request["customer_id"] or answer.get("source") != "model":
            self.failed.append(f"{response.status_code}: {response.text[:300]}")
            return
        self.decisions.append(answer["decision_id"])
        self.versions[answer["model"]["version"]] += 1

    def _told(self) -> None:
        self.asked_again += 1
