"""A real server whose bundle has a file that isn't a regular file."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.system.asking import PATIENCE

pytestmark = pytest.mark.system

SPECIAL = {"named pipe": os.mkfifo, "endless device": lambda path: Path(path).symlink_to("/dev/zero")}


def put(folder: Path, name: str, make) -> None:
    """Replace a file of a bundle."""
    (folder / name).unlink()
    make(folder / name)


def wait_for(served, text: str) -> None:
    """Wait until the server's log has a text."""
    deadline = time.monotonic() + PATIENCE
    while text not in served.log.read_text():
        assert time.monotonic() < deadline, served.log.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["manifest.json", "trees.json"])
@pytest.mark.parametrize("make", SPECIAL.values(), ids=list(SPECIAL))
def test_a_server_refuses_a_special_file_and_ends_on_sigterm(start, command, bundle, tmp_path, name, make) -> None:
    """The error for a named pipe or an endless device in a bundle names it, and SIGTERM ends the server."""
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    put(folder, name, make)
    served = start(command, folder, "--stay-up")
    wait_for(served, f"{name} can't be read (it is a ")
    served.wait_for("/healthz")
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(PATIENCE) == 0


def test_a_server_keeps_its_bundle_if_a_file_is_replaced(start, command, bundle, tmp_path) -> None:
    """If a named pipe replaces a file of the bundle, it is refused, and the server keeps the last bundle."""
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    served = start(command, folder)
    served.wait_for("/v2/health/ready")
    put(folder, "trees.json", os.mkfifo)
    wait_for(served, "keeps answering")
    assert served.get("/v2/health/ready").status_code == 200
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(PATIENCE) == 0
