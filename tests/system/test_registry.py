"""A registry that several processes share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from customer_risk.model.registry.interface import FolderStore
from customer_risk.model.registry.registry import Registry

pytestmark = pytest.mark.system

VERSIONS = [digit * 64 for digit in "abc"]
PROMOTER = """
import sys
from pathlib import Path
from customer_risk.model.registry.aliases import Author
from customer_risk.model.registry.registry import Registry
from customer_risk.model.registry.interface import FolderStore
folder, me, *versions = sys.argv[1:]
registry = Registry(FolderStore(Path(folder)), verify=lambda _: None)
for turn in range(30):
    for version in versions:
        registry.promote(version, "champion", Author(by=me, at="2026-01-05T09:30:00Z", why=f"{turn}"))
"""
HOLDER = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def shared_registry(tmp_path):
    """A registry of three bundles that always load, and how to start a process that promotes them by turns."""
    for version in VERSIONS:
        (tmp_path / "bundles" / version).mkdir(parents=True)

    def start(name: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", PROMOTER, tmp_path, name, *VERSIONS])

    return Registry(FolderStore(tmp_path), verify=lambda _: None), start


def test_promotions_by_several_processes_make_one_unbroken_history(shared_registry):
    """Each change in the history replaced the bundle of the previous change, and no change is lost."""
    registry, start = shared_registry
    running = [start(f"process-{number}") for number in range(3)]
    assert [process.wait(timeout=600) for process in running] == [0, 0, 0]
    changes = registry.history()
    assert [change.replaced for change in changes] == [None, *(change.bundle for change in changes[:-1])]
    assert (registry.resolve("champion"), registry.resolve("previous")) == (changes[-1].bundle, changes[-2].bundle)
    assert {change.by for change in changes} == {"process-0", "process-1", "process-2"}


def test_writers_killed_at_any_moment_leave_a_whole_document(shared_registry):
    """The document is replaced, never edited in place, so a reader never sees a part of it."""
    registry, start = shared_registry
    for number in range(3):
        writer = start(f"process-{number}")
        before = len(registry.history())
        while len(registry.history()) < before + 5 + number and writer.poll() is None:
            pass
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        changes = registry.history()
        assert [change.replaced for change in changes] == [None, *(change.bundle for change in changes[:-1])]


def test_lock_of_a_killed_process_is_free_again(tmp_path):
    """A lock dies with its holder, so nobody has to remove it by hand."""
    command = [sys.executable, "-c", HOLDER, tmp_path / ".lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert FolderStore(tmp_path).swap("", b"written")
