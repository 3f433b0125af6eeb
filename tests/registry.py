"""A real registry of images on this machine: Debian's docker-registry, which is installed if it is missing."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

PATIENCE = 600  # seconds that it may take to start, on slow machines too


@contextmanager
def running(folder: Path, settings: str = "") -> Iterator[str]:
    """Run a registry that keeps its images in a folder; yield its address, which speaks plain HTTP.

    `settings` are further lines of its YAML file.
    """
    if not shutil.which("docker-registry"):
        install = ["apt-get", "install", "--yes", "--quiet", "--quiet", "--no-install-recommends", "docker-registry"]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"Debian's docker-registry isn't there and can't be installed: {done.stderr}")
    program = shutil.which("docker-registry")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"localhost:{free.getsockname()[1]}"
    config = folder / "registry.yml"
    storage = f"storage: {{filesystem: {{rootdirectory: '{folder / 'images'}'}}}}"
    config.write_text(f"version: 0.1\nhttp: {{addr: '{address}'}}\n{storage}\n{settings}\n", encoding="utf-8")
    process = subprocess.Popen([program, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                httpx2.get(f"http://{address}/v2/")
                break
            except httpx2.TransportError:
                time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()
