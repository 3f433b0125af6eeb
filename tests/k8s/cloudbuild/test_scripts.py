"""The pipeline's scripts, run with a `gcloud` that logs its arguments instead of connecting to Google."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
DIGEST, HASH = "sha256:" + "a" * 64, "b" * 64
IMAGE = f"europe-west1-docker.pkg.dev/some-project/customer-risk/customer-risk@{DIGEST}"
GIVEN = {
    "PROJECT": "some-project",
    "REGION": "europe-west1",
    "LOCATION": "EU",
    "HOST": "staging.example.com",
    "ISSUER": "https://login.example.com/",
    "AUDIENCE": "risk",
    "COMMIT": "0123456",
}


class Desk:
    """A checkout with the scripts and a stand-in for gcloud."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.release = self.folder / "build/release"
        self.release.mkdir(parents=True)
        shutil.copytree(ROOT / "scripts/cloudbuild", self.folder / "scripts/cloudbuild")
        for part in ("k8s", "helm"):
            (self.folder / part).symlink_to(ROOT / part)
        (self.folder / ".venv/bin").mkdir(parents=True)
        _program(self.folder / ".venv/bin/python", f'exec {sys.executable} "$@"')
        self._programs = folder / "bin"
        self._programs.mkdir()
        self._log = folder / "asked"
        self.says("true")

    def says(self, answer: str) -> None:
        """Replace the stand-in's answer by these lines of bash."""
        _program(self._programs / "gcloud", f'echo "$*" >> {self._log}\n{answer}')

    @property
    def asked(self) -> list[str]:
        """The arguments of each call of gcloud."""
        return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a script with the pipeline's environment variables."""
        path = f"{self._programs}{os.pathsep}{os.environ['PATH']}"
        command = [self.folder / "scripts/cloudbuild" / script, *words]
        environment = {**os.environ, **GIVEN, "PATH": path, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _program(path: Path, lines: str) -> None:
    path.write_text(f"#!/bin/bash\n{lines}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A new checkout."""
    return Desk(tmp_path)


def _scan(severity: str) -> list[dict[str, Any]]:
    issue = {"affectedPackage": "openssl", "fixAvailable": True, "fixedVersion": {"fullName": "1.2.4"}}
    found = {"effectiveSeverity": severity, "packageIssue": [issue]}
    return [{"noteName": "projects/goog-vulnz/notes/CVE-2026-1", "vulnerability": found}]


@pytest.mark.parametrize(("severity", "code"), [("CRITICAL", 1), ("LOW", 0)])
def test_a_critical_vulnerability_fails_the_scan(desk: Desk, severity: str, code: int) -> None:
    """The scan lists the local image's vulnerabilities, and its exit code is 1 if one is critical."""
    (desk.release / "local").write_text("customer-risk:abc1234\n", encoding="utf-8")
    listed = json.dumps(_scan(severity))
    desk.says(f"case $* in *list-vulnerabilities*) echo '{listed}' ;; *) echo projects/p/scans/1 ;; esac")
    done = desk.run("scan")
    assert done.returncode == code, done.stderr
    assert "CVE-2026-1" in done.stdout
    assert desk.asked[0].startswith("artifacts docker images scan customer-risk:abc1234 ")
    assert desk.asked[1].startswith("artifacts docker images list-vulnerabilities projects/p/scans/1 ")


def test_a_failed_scan_fails_the_step(desk: Desk) -> None:
    """If gcloud fails, the scan fails instead of taking the image for a clean one."""
    (desk.release / "local").write_text("customer-risk:abc1234\n", encoding="utf-8")
    desk.says("exit 1")
    assert desk.run("scan").returncode != 0
    assert len(desk.asked) == 1


@pytest.mark.parametrize(
    ("image", "bundle"), [("", HASH), (IMAGE.partition("@")[0] + ":abc1234", HASH), (IMAGE, ""), (IMAGE, "champion")]
)
def test_an_image_without_digest_or_a_bundle_without_hash_is_refused(desk: Desk, image: str, bundle: str) -> None:
    """A tag, an alias or an empty argument ends the deployment before gcloud is called."""
    done = desk.run("deploy", "production", image, bundle)
    assert done.returncode != 0
    assert "Error: The " in done.stderr
    assert desk.asked == []


def test_a_missing_image_is_refused(desk: Desk) -> None:
    """A missing image ends the deployment before the cluster is used."""
    desk.says("case $* in *'images describe'*) echo NOT_FOUND >&2; exit 1 ;; esac")
    assert desk.run("deploy", "staging", IMAGE, HASH).returncode == 1
    assert desk.asked == [f"artifacts docker images describe {IMAGE} --project=some-project"]


def test_an_unreachable_cluster_fails_the_step(desk: Desk) -> None:
    """Without a cluster in the kubeconfig, the step exits with 1 and prints the release's error."""
    for name, content in (("image", IMAGE), ("bundle", HASH)):
        (desk.release / name).write_text(content + "\n", encoding="utf-8")
    done = desk.run("deploy", "staging")
    assert done.returncode == 1
    assert desk.asked[-1].startswith("container clusters get-credentials customer-risk ")
    assert "error: " in done.stderr


def test_the_production_build_gets_the_image_and_bundle_of_staging(desk: Desk) -> None:
    """The production trigger gets the digest, the hash and the commit that staging deployed."""
    for name, content in (("image", IMAGE), ("bundle", HASH)):
        (desk.release / name).write_text(content + "\n", encoding="utf-8")
    done = desk.run("propose")
    assert done.returncode == 0, done.stderr
    (asked,) = desk.asked
    assert asked.startswith("builds triggers run customer-risk-production ")
    assert f"--sha=0123456 --substitutions=_IMAGE={IMAGE},_BUNDLE={HASH}" in asked


def test_no_production_build_is_started_without_a_deployed_image(desk: Desk) -> None:
    """Without the file of a deployed image, the step fails and no build is started."""
    assert desk.run("propose").returncode != 0
    assert desk.asked == []
