"""A small HTTP server whose answers a test makes."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@contextlib.contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler, bytes], tuple[Any, ...]]) -> Iterator[str]:
    """Run a server, and yield its URL.

    `answer` gets each request and its body; it returns the status, the body (bytes, or a document that is sent as JSON)
    and, optionally, header fields.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers["content-length"] or 0))
            status, body, fields = (*answer(self, sent), {})[:3]
            if not isinstance(body, bytes):
                body, fields = json.dumps(body).encode(), {"content-type": "application/json"} | fields
            self.send_response(status)
            for name, value in ({"content-length": str(len(body))} | fields).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET  # noqa: N815  names of the base class

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def use_kubeconfig(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the server at a URL the cluster of Kubernetes' clients."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(folder / "kubeconfig"))
