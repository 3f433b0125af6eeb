"""Counts pods during a run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self


class Replicas(NamedTuple):
    """Wanted and ready replicas of a Deployment; `at` is in seconds since 1970."""

    at: float
    wanted: int
    ready: int


class UnseenError(Exception):
    """The pods can't be counted."""


class Watch:
    """Counts the replicas of a Deployment every second during the context; `missed` counts failed attempts."""

    def __init__(self, look: Callable[[], tuple[int, int]], interval: float = 1.0) -> None:
        self.seen: list[Replicas] = []
        self.missed = 0
        self._look = look
        self._interval = interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                wanted, ready = self._look()
            except Exception:  # noqa: BLE001  an API server under load may fail in any way; the run continues
                self.missed += 1
            else:
                self.seen.append(Replicas(time.time(), wanted, ready))
            self._over.wait(self._interval)


def deployment(namespace: str, name: str) -> Callable[[], tuple[int, int]]:
    """Return a function that counts a Deployment's replicas; raises UnseenError if the first count fails.

    KUBECONFIG names the cluster.
    """
    from kubernetes import client, config  # noqa: PLC0415  the import takes half a second, and only runs on a cluster need it
    from urllib3.exceptions import HTTPError  # noqa: PLC0415  as above

    named = os.environ.get("KUBECONFIG")

    def look() -> tuple[int, int]:
        found: Any = api.read_namespaced_deployment(name, namespace, _request_timeout=5)
        return found.spec.replicas or 0, found.status.ready_replicas or 0

    try:
        config.load_config(**({"config_file": named} if named else {}))
        api = client.AppsV1Api()
        look()
    except (client.ApiException, config.ConfigException, HTTPError, OSError) as error:
        raise UnseenError(f"Deployment {name} in {namespace} can't be read: {error}") from error
    return look
