"""A short run of the soak with a hostile neighbour."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.alone]

ROOT = Path(__file__).parent.parent.parent
SHORT = ("bombs", "unfinished", "idle", "all")  # they use up processor time, memory, connections, and all of these


def test_a_hostile_neighbour_makes_no_honest_call_fail(bundle, tmp_path) -> None:
    """Beside hostile callers, each honest call is answered or gets a declared 503, and each decision is stored once."""
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
