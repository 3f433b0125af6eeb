"""Pushes an image with a real Docker engine to a real registry on this machine (Debian's docker-registry)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.registry import running

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parent.parent.parent
NAME = "customer-risk-push-test:abc1234"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[str]:
    """The Docker engine of this machine, with an image of one file."""
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.fail("no Docker engine answers; DOCKER_HOST names one")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n", encoding="utf-8")
    subprocess.run(["docker", "build", "--quiet", "--tag", NAME, tmp_path], check=True, capture_output=True)
    yield NAME
    named = subprocess.run(
        ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", f"--filter=reference=*/*/*/{NAME}"],
        check=True,
        capture_output=True,
        text=True,
    )
    subprocess.run(["docker", "rmi", "--force", NAME, *named.stdout.split()], check=False, capture_output=True)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """The address of a registry; it uses plain HTTP, which Docker allows for localhost."""
    with running(tmp_path) as address:
        yield address


def _push(folder: Path, repository: str) -> subprocess.CompletedProcess[str]:
    (folder / "scripts/cloudbuild").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "scripts/cloudbuild/push", folder / "scripts/cloudbuild/push")
    (folder / "build/release").mkdir(parents=True, exist_ok=True)
    (folder / "build/release/local").write_text(f"{NAME}\n", encoding="utf-8")
    command = [folder / "scripts/cloudbuild/push", repository]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)


def test_the_written_digest_is_the_registrys(tmp_path: Path, engine: str, registry: str) -> None:
    """The registry returns the pushed image's manifest for the digest that later steps deploy."""
    done = _push(tmp_path, f"{registry}/some/where")
    assert done.returncode == 0, done.stderr
    image = (tmp_path / "build/release/image").read_text(encoding="utf-8").strip()
    name, tag = engine.split(":")
    written = re.fullmatch(rf"{registry}/some/where/{name}@(sha256:[0-9a-f]{{64}})", image)
    assert written, image
    kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    for reference in (tag, written[1]):
        served = httpx2.head(f"http://{registry}/v2/some/where/{name}/manifests/{reference}", headers={"Accept": kinds})
        assert served.headers["docker-content-digest"] == written[1]


def test_pushing_again_writes_the_same_digest(tmp_path: Path, engine: str, registry: str) -> None:
    """A repeated build writes the same digest."""
    first, second = (_push(tmp_path, f"{registry}/some/where") for _ in range(2))
    assert first.stdout == second.stdout
    assert engine.partition(":")[0] in first.stdout


def test_a_failed_push_writes_no_digest(tmp_path: Path, engine: str) -> None:
    """A failed push writes no digest."""
    assert engine
    assert _push(tmp_path, "localhost:9/some/where").returncode != 0
    assert not (tmp_path / "build/release/image").exists()
