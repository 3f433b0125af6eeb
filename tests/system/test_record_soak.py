"""A short run of the soak test of the decision record."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent


def test_every_answered_decision_is_in_every_sink_once(bundle, tmp_path) -> None:
    """After kills of the server and the shipper under load, no record is lost or stored twice."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.record", bundle, "--rounds", "6", "--folder", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.count("| 0 | 0 |") == 3
