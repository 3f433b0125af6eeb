"""The base of emulators of cloud services: an own environment, and a process that tests can kill or suspend."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.system.asking import PATIENCE

ROOT = Path(__file__).parent.parent.parent


class StandIn(ABC):
    """An emulator that stores its data in `folder`, which outlives its process.

    `name` is the name of its environment (`.venv-NAME`) and of the environment's lock file.
    """

    name: str

    def __init__(self, folder: Path) -> None:
        self._environment = install(self.name)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _command(self) -> Sequence[Any]:
        """Return the command that starts the server."""

    @abstractmethod
    def _ask(self) -> None:
        """Send a request; raises HTTPError or OSError if the server doesn't answer yet."""

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command = self._command()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self._ask()
            except (httpx2.HTTPError, OSError):
                time.sleep(0.02)
            else:
                return
        pytest.fail(f"{self.name} doesn't start: {(self._folder / 'log').read_text()}")

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Suspend the server during the context: it accepts connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Kill the server for the duration of the context; afterwards it has its stored data and no other state."""
        self.kill()
        yield
        self.start()

    def kill(self) -> None:
        """Kill the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def install(name: str) -> Path:
    """Return an emulator's environment; install it if it is missing, or fail the test."""
    environment, lock = ROOT / f".venv-{name}", ROOT / "requirements" / f"{name}.txt"
    stamp, python = environment / ".installed", environment / "bin/python"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        uv = ROOT / ".venv/bin/uv"
        for step in (
            [uv, "venv", "--quiet", "--clear", "--python", ROOT / ".venv/bin/python", environment],
            [uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", lock],
        ):
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.fail(f"{name} can't be installed: {done.stderr}")
        stamp.write_bytes(lock.read_bytes())
    return environment


def free_port() -> int:
    """Return a port on which no process listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
