"""The soak with a hostile neighbour, in short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.alone]

ROOT = Path(__file__).parent.parent.parent
SHORT = ("bombs", "unfinished", "idle", "all")  # for work, memory, connections, and every kind at once


def test_a_hostile_neighbour_makes_no_honest_call_fail(bundle, tmp_path) -> None:
    """Honest calls get answers or declared 503s beside hostile ones, and each answered decision is recorded once."""
    scenarios = [f"--scenario={name}" for name in SHORT]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.neighbour", bundle, "--seconds", "6", "--folder", tmp_path, *scenarios],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    print(done.stdout)  # noqa: T201  `pytest -rP` shows it
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.count("| 0 / 0 |") == len(SHORT)
