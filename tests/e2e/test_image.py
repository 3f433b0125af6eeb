"""The image on this machine's Docker engine: its size, its content and its start."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path

import httpx2
import pytest

from customer_risk.model.scoring.golden import loads_golden

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parent.parent.parent
DOCKER = os.environ.get("DOCKER", "docker")
PYTHON = "/opt/customer-risk/bin/python"
MOST_UNPACKED, MOST_COMPRESSED = 650, 200  # MB
STARTS = 3
PATIENCE = 600  # seconds after which a test gives up, on slow machines too
# As in a pod: only /tmp is writable, no privileges, one core.
LOCKED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108  the container's
FORBIDDEN = ("xgboost", "scipy", "pyarrow", "sklearn", "polars", "optuna", "matplotlib", "pip")
COUNT = """
import sys
from pathlib import Path
from customer_risk.model import compilation
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.decisions.verification import load_verified
service = Service("customer-risk")
service.use(load_verified(Path("/bundle")))
service.answer(sys.stdin.buffer.read())
print(compilation.counts)
"""


def docker(*arguments: str | Path, **options) -> str:
    """Run a docker command; return its output."""
    done = subprocess.run([DOCKER, *arguments], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def image() -> str:
    """The image under test."""
    assert "E2E_IMAGE" in os.environ, "E2E_IMAGE names no image; `make e2e` does"
    return os.environ["E2E_IMAGE"]


@pytest.fixture(scope="module")
def config(image) -> dict[str, object]:
    """The image's configuration."""
    return json.loads(docker("inspect", "--format", "{{json .Config}}", image))


@pytest.fixture(scope="module")
def golden(bundle) -> dict[str, object]:
    """A request from the bundle's golden rows."""
    return loads_golden((bundle / "golden.json").read_bytes())[0]["request"]


@pytest.fixture(scope="module")
def mounted(bundle) -> list[str]:
    """A bundle that the container's user can read."""
    folder = Path(tempfile.mkdtemp(prefix="customer-risk-image-"))
    shutil.copytree(bundle, folder / "bundle")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    yield ["--volume", f"{folder / 'bundle'}:/bundle:ro"]
    shutil.rmtree(folder)


def _within(image: str, code: str, *options: str, **more) -> str:
    """Run Python in a container without network, privileges or a writable root."""
    return docker(
        "run", "--rm", "-i", "--network", "none", *LOCKED, *options, "--entrypoint", PYTHON, image, "-c", code, **more
    )


def test_image_is_small(image, record_property) -> None:
    """The image is at most 650 MB unpacked and 200 MB compressed, its base included; no file is in two layers."""
    spec = importlib.util.spec_from_file_location("report", ROOT / "scripts" / "image" / "report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.report(image, DOCKER)
    parts = ", ".join(f"{name} {size:.0f}" for name, size in found["largest_mb"].items())
    record_property("measured", f"{found['unpacked_mb']} MB, {found['compressed_mb']} MB compressed; {parts}")
    assert found["in_several_layers"] == []
    assert found["unpacked_mb"] <= MOST_UNPACKED
    assert found["compressed_mb"] <= MOST_COMPRESSED


def test_image_has_the_packages_of_its_lock(image) -> None:
    """The image has the packages and versions of the lock, the project, and no library that only training needs."""
    lock = (ROOT / "requirements" / "image.txt").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+==[^\s;]+)", lock, re.MULTILINE))
    code = (
        "import importlib.metadata as m, importlib.util as u, json, re\n"
        "name = lambda d: re.sub('[-_.]+', '-', d.metadata['Name']).lower()\n"
        "there = sorted({f'{name(d)}=={d.version}' for d in m.distributions()})\n"
        f"print(json.dumps([there, [each for each in {FORBIDDEN} if u.find_spec(each)]]))"
    )
    there, forbidden = json.loads(_within(image, code))
    assert forbidden == []
    ours = {each for each in there if each.startswith("customer-risk==")}
    assert len(ours) == 1
    assert set(there) - ours <= locked
    missing = {each.partition("==")[0] for each in locked} - {each.partition("==")[0] for each in there}
    assert missing <= {"async-timeout"}, "only what the base's own Python makes needless may be absent"


def test_image_has_labels_for_commit_and_version(image, config) -> None:
    """The image has labels for commit and version, runs the command itself, and its user has no name."""
    labels = config["Labels"]
    assert re.fullmatch(r"[0-9a-f]{40}( and changes)?", labels["org.opencontainers.image.revision"])
    assert labels["org.opencontainers.image.title"] == "customer-risk"
    assert labels["org.opencontainers.image.version"] in image
    assert {"org.opencontainers.image.created", "org.opencontainers.image.licenses"} <= set(labels)
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["/opt/customer-risk/bin/customer-risk"]
    assert not [each for each in config["Env"] if "SECRET" in each or "TOKEN" in each or "PASSWORD" in each]


def test_the_images_user_cannot_change_the_install(image) -> None:
    """The image's user can't change any file of the install, even if the root is writable."""
    code = (
        "import os\n"
        "paths = (p for f, _, names in os.walk('/opt') for p in (f, *(os.path.join(f, each) for each in names)))\n"
        "print([p for p in paths if os.access(p, os.W_OK)][:5])"
    )
    assert docker("run", "--rm", "--network", "none", "--entrypoint", PYTHON, image, "-c", code) == "[]\n"


def test_no_function_is_compiled_in_a_container(image, mounted, golden) -> None:
    """The image's compiled kernels are used on this CPU from a read-only disk; no kernel is compiled."""
    counted = _within(image, COUNT, *mounted, input=json.dumps(golden))
    assert re.fullmatch(r"Counts\(loaded=[1-9]\d*, compiled=0, lost=0\)\n", counted), counted


def test_a_container_on_one_core_starts_answers_and_stops(image, mounted, golden, record_property) -> None:
    """On one core and a read-only root, a container becomes ready, answers, and exits with 0 on SIGTERM."""
    seconds = []
    for _ in range(STARTS):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = ["--network", "host", "--cpus", "1", *LOCKED, *mounted]
        container = docker("run", "--detach", *options, image, "serve", "/bundle", "--port", str(port)).strip()
        try:
            ready = _ready(container, port)
            started = docker("inspect", "--format", "{{.State.StartedAt}}", container).strip()
            seconds.append(ready - datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z", r"\1+00:00", started)).timestamp())
            answer = httpx2.post(
                f"http://127.0.0.1:{port}/ai/v1/risk", json=golden, timeout=PATIENCE
            ).raise_for_status()
            assert answer.json()["source"] == "model"
            docker("stop", "--time", str(PATIENCE), container)
            assert docker("inspect", "--format", "{{.State.ExitCode}}", container) == "0\n"
        finally:
            docker("rm", "--force", container)
    record_property("measured", f"{statistics.median(seconds):.2f} s, median of {STARTS}")


def _ready(container: str, port: int) -> float:
    """Wait until the container is ready; return the time."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/v2/health/ready", timeout=PATIENCE).status_code == 200:
                return time.time()
        except httpx2.TransportError:
            time.sleep(0.02)
    pytest.fail(f"never ready:\n{docker('logs', container)}")
