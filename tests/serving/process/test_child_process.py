"""A child process that is restarted when it ends."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from customer_risk.serving.backoff import Backoff
from customer_risk.serving.process.child_process import ChildProcess

# Writes its input and its pid to the file that they name, and works until its input ends.
_KEPT = """
import os, sys, pathlib
line = sys.stdin.readline().strip()
with pathlib.Path(line).open("a") as file:
    file.write(f"{os.getpid()}\\n")
sys.stdin.read()
pathlib.Path(line + ".ended").touch()
"""
_DEAF = "import time, sys; print(sys.stdin.readline()); time.sleep(3600)"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that writes a module which the child process can import."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def put(source: str) -> str:
        (tmp_path / "kept.py").write_text(source)
        return "kept"

    return put


@pytest.fixture
def told(tmp_path) -> Path:
    """The file that the child process writes to."""
    return tmp_path / "told"


def started(told: Path) -> list[int]:
    """Return the ids of the processes that have started."""
    return [int(pid) for pid in told.read_text().split()] if told.exists() else []


async def pids(told: Path, count: int) -> list[int]:
    """Wait until some processes have started."""
    deadline = time.monotonic() + 600
    while True:
        if len(started(told)) >= count:
            return started(told)
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_a_child_gets_its_input_and_ends_with_the_server(module, told, tmp_path) -> None:
    """The child gets its orders by its input, and finishes its work after the input's end."""
    child = ChildProcess(module(_KEPT), str(told).encode(), tmp_path / "lock")
    await child.start()
    await pids(told, 1)
    await child.stop()
    assert Path(f"{told}.ended").exists()


async def test_a_dead_child_is_restarted(module, told, tmp_path, caplog) -> None:
    """A child that died is restarted, and the log says so."""
    child = ChildProcess(module(_KEPT), str(told).encode(), tmp_path / "lock")
    await child.start()
    (first,) = await pids(told, 1)
    os.kill(first, signal.SIGKILL)
    assert (await pids(told, 2))[1] != first
    await child.stop()
    assert "kept ended with -9" in caplog.text


async def test_a_child_that_ended_with_0_is_restarted_at_once(module, told, tmp_path, caplog) -> None:
    """If a process that ran long enough ends with 0, the next one starts without a pause or an error in the log."""
    ends = module(_KEPT.replace("sys.stdin.read()", ""))
    child = ChildProcess(ends, str(told).encode(), tmp_path / "lock", brief_seconds=0, backoff=Backoff(3600, 3600))
    await child.start()
    await pids(told, 4)
    await child.stop()
    assert not caplog.records


@pytest.mark.parametrize("code", [0, 3])
async def test_a_child_that_ends_soon_is_restarted_after_a_pause(module, told, tmp_path, caplog, code) -> None:
    """If a process ends soon after its start, with any exit code, the next one starts after a pause."""
    deadline = time.monotonic() + 600
    ends = module(_KEPT.replace("sys.stdin.read()", f"sys.exit({code})"))
    child = ChildProcess(ends, str(told).encode(), tmp_path / "lock", brief_seconds=600, backoff=Backoff(3600, 3600))
    await child.start()
    while True:
        await asyncio.sleep(0.05)
        if "another one starts in 3600 s" in caplog.text:
            break
        assert time.monotonic() < deadline
    await child.stop()
    assert len(started(told)) == 1


async def test_a_child_is_restarted_after_a_thousand_deaths(module, told, tmp_path) -> None:
    """A process is restarted after more than a thousand deaths."""
    backoff = Backoff(0.001, 0.001)
    for _ in range(1100):
        backoff.next()

    ends = module(_KEPT.replace("sys.stdin.read()", "sys.exit(1)"))
    child = ChildProcess(ends, str(told).encode(), tmp_path / "lock", backoff=backoff)
    await child.start()
    await pids(told, 3)
    await child.stop()


async def test_only_one_of_several_servers_runs_the_child(module, told, tmp_path) -> None:
    """Only one of several servers runs the child; another takes over after it ends."""
    children = [ChildProcess(module(_KEPT), str(told).encode(), tmp_path / "lock") for _ in range(2)]
    for child in children:
        await child.start()
    await pids(told, 1)
    await asyncio.sleep(0.3)
    assert len(started(told)) == 1
    await children[0].stop()
    await pids(told, 2)
    await children[1].stop()


async def test_a_child_that_doesnt_end_is_killed(module, tmp_path) -> None:
    """A child that doesn't end is killed, so that it doesn't delay the server's end."""
    child = ChildProcess(module(_DEAF), b"x", tmp_path / "lock", end_seconds=0.2)
    await child.start()
    await asyncio.sleep(0.3)
    began = time.monotonic()
    await child.stop()
    assert time.monotonic() - began < 600


async def test_a_child_starts_once_its_lock_can_be_opened(module, told, tmp_path) -> None:
    """A missing folder, or a disk without free inodes, only delays the start."""
    child = ChildProcess(module(_KEPT), str(told).encode(), tmp_path / "later" / "lock")
    await child.start()
    await asyncio.sleep(0.2)
    (tmp_path / "later").mkdir()
    await pids(told, 1)
    await child.stop()


async def test_a_child_starts_once_there_are_descriptors(module, told, tmp_path, caplog) -> None:
    """A process that can't be started is retried, and the log says why it failed."""
    child = ChildProcess(module(_KEPT), str(told).encode(), tmp_path / "lock")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, hard))  # enough for the lock file only
    try:
        await child.start()
        await asyncio.sleep(0.2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await pids(told, 1)
    await child.stop()
    assert "can't be started" in caplog.text
