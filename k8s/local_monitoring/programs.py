"""Debian's programs of Prometheus as child processes."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2

PATIENCE: Final = 600  # seconds that a program may take to start or to end, on slow machines too
PACKAGES: Final = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}


class ProgramMissing(Exception):
    """A program isn't on the PATH."""


class ProgramEnded(Exception):
    """A program ended before it was ready, or wasn't ready in time."""


def find(program: str) -> str:
    """Return the path of a program of PACKAGES. Raises ProgramMissing."""
    if path := shutil.which(program):
        return path
    raise ProgramMissing(f"{program} is not on the PATH. Install it: apt-get install {PACKAGES[program]}")


def free_port() -> int:
    """Return a port of the loopback interface that no process uses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def running(command: Sequence[str], log: Path, ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program during the context, from when the URL `ready` answers 200; its output goes to `log`.

    The program has a process group of its own, so that Ctrl-C reaches it only through the end of the context. Raises
    ProgramEnded with the output.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, process_group=0)  # noqa: S603  our own words
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ProgramEnded(f"{command[0]} is not ready at {ready}:\n{log.read_text(errors='replace')}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=PATIENCE).status_code == 200
    except httpx2.TransportError:
        return False
