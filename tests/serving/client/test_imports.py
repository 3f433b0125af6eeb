"""Callers shouldn't load a server to ask one."""

from __future__ import annotations

import subprocess
import sys


def test_the_client_loads_nothing_of_the_server() -> None:
    """No array, compiler, server or model is imported with it."""
    code = "import serving.client, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"numpy", "numba", "kserve", "fastapi", "uvicorn", "model.features", "serving.wire"}
