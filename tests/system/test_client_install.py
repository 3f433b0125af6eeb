"""The client's own wheel with its locked dependencies, in an environment without the server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.asking import PATIENCE

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
CODE = """
import asyncio, json, sys
from customer_risk_client import AsyncRiskClient, Patience, RiskClient

url, request, patience = sys.argv[1], json.loads(sys.argv[2]), Patience(seconds=600, attempts=100, one=600)

async def score():
    async with AsyncRiskClient(url, patience=patience) as client:
        return await client.score(request)

with RiskClient(url, patience=patience) as client:
    answers = client.score(request), asyncio.run(score())
print(json.dumps([[answer.segment, answer.probability] for answer in answers] + [sorted(sys.modules)]))
"""


def _run(*command: Path | str, cwd: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of a new environment with the lock's packages and the client's wheel."""
    folder = tmp_path_factory.mktemp("client")
    _run(TOOLS / "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT / "client")
    (wheel,) = folder.glob("customer_risk_client-*.whl")
    python = folder / "environment/bin/python"
    _run(TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, folder / "environment", cwd=folder)
    lock = ROOT / "requirements/client.txt"
    _run(TOOLS / "uv", "pip", "sync", "--quiet", "--python", python, "--require-hashes", lock, cwd=folder)
    _run(TOOLS / "uv", "pip", "install", "--quiet", "--python", python, "--no-deps", "--no-index", wheel, cwd=folder)
    return python


def test_both_clients_score_without_the_servers_libraries(python, start, command, bundle, sound_request) -> None:
    """Both clients get a real server's decision, in an environment without NumPy, Numba and the server."""
    server = start(command, bundle)
    server.wait_for("/v2/health/ready")
    arguments = (f"http://127.0.0.1:{server.port}", json.dumps(sound_request))
    *answers, modules = json.loads(_run(python, "-c", CODE, *arguments, cwd=python.parent))
    expected = server.post("/ai/v1/risk", sound_request).json()
    assert answers == [[expected["segment"], expected["probability"]]] * 2
    assert not {"numpy", "numba", "customer_risk", "click", "yaml"} & set(modules)


def test_the_wheel_is_typed_and_needs_two_packages(python) -> None:
    """The wheel has a py.typed marker and a README, and needs httpx2 and msgspec alone."""
    code = (
        "import json, importlib.metadata as m; found = m.distribution('customer-risk-client');"
        "print(json.dumps([found.requires, found.metadata['License-Expression'], len(found.read_text('METADATA')),"
        "[str(f) for f in found.files]]))"
    )
    requires, licence, length, files = json.loads(_run(python, "-c", code, cwd=python.parent))
    assert [each.partition(">")[0] for each in requires] == ["httpx2", "msgspec"]
    assert licence == "Apache-2.0"
    assert length > 1_000
    assert "customer_risk_client/py.typed" in files
