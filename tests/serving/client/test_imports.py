"""Callers shouldn't load a server to ask one."""

from __future__ import annotations

import subprocess
import sys


def test_the_client_loads_nothing_of_the_server() -> None:
    """No array, compiler, server or model is imported with it."""
    code = "import customer_risk.serving.client, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {
        "numpy",
        "numba",
        "kserve",
        "fastapi",
        "uvicorn",
        "customer_risk.model.features",
        "customer_risk.serving.contract.request",
    }
