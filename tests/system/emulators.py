"""Servers that stand in for BigQuery, in an environment of their own, as processes to stop and to kill."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = ROOT / ".venv-bqemulator"
LOCK = ROOT / "requirements" / "bqemulator.txt"
PROGRAM = Path(__file__).with_name("bqemulator_whole.py")
PROJECT = "risk"


def install() -> Path:
    """Give the emulator's Python, installing all of it where it is absent; fails the test where it can't be."""
    stamp, python = ENVIRONMENT / ".installed", ENVIRONMENT / "bin/python"
    if not stamp.exists() or stamp.read_bytes() != LOCK.read_bytes():
        uv = ROOT / ".venv/bin/uv"
        for step in (
            [uv, "venv", "--quiet", "--clear", "--python", ROOT / ".venv/bin/python", ENVIRONMENT],
            [uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", LOCK],
        ):
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.fail(f"bqemulator can't be installed: {done.stderr}")
        stamp.write_bytes(LOCK.read_bytes())
    return python


class BigQuery:
    """An emulator on ports of its own, whose tables outlive it in `folder`; its write streams don't."""

    def __init__(self, folder: Path) -> None:
        self._python = install()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._rest, self._grpc = _free_port(), _free_port()
        self.endpoint = f"http://127.0.0.1:{self._rest}"
        self.grpc_endpoint = f"http://127.0.0.1:{self._grpc}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        (self._folder / "data").mkdir(parents=True, exist_ok=True)
        command = [
            *(self._python, PROGRAM, "start", "--persistent", "--data-dir", self._folder / "data"),
            *("--rest-port", str(self._rest), "--grpc-port", str(self._grpc), "--project", PROJECT),
            *("--log-level", "error"),
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx.get(f"{self.endpoint}/bigquery/v2/projects/{PROJECT}/datasets", timeout=2).raise_for_status()
                socket.create_connection(("127.0.0.1", self._grpc), timeout=2).close()
            except (httpx.HTTPError, OSError):
                time.sleep(0.05)
            else:
                return
        pytest.fail(f"bqemulator doesn't start: {(self._folder / 'log').read_text()}")

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Connections are taken, and nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Nobody listens; afterwards the tables are as they were, and no stream is known."""
        self.kill()
        yield
        self.start()

    def kill(self) -> None:
        """End it without a farewell."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
