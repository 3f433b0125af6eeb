"""`customer-risk golden` with a running server."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def url(start, command, bundle) -> str:
    """The URL of a server with the bundle."""
    server = start(command, bundle)
    server.wait_for("/v2/health/ready")
    return f"http://127.0.0.1:{server.port}"


def _golden(command, *arguments) -> subprocess.CompletedProcess[str]:
    return subprocess.run([command, "golden", *arguments], capture_output=True, text=True, check=False)


def test_the_bundles_own_server_passes(command, url, bundle) -> None:
    """A server answers the golden requests of its own bundle correctly."""
    done = _golden(command, url, "--bundle", bundle, "--host", "prod.deblock.com")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"{re.escape(url)} answers all \d+ golden requests correctly\n", done.stdout)


def test_another_bundles_server_fails(command, url, bundle, tmp_path) -> None:
    """A server that runs another bundle fails, and the message says which bundle answered."""
    other = tmp_path / "bundle"
    shutil.copytree(bundle, other)
    manifest = other / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b" ")
    done = _golden(command, url, "--bundle", other)
    assert done.returncode == 1
    assert f"{hashlib.sha256((bundle / 'manifest.json').read_bytes()).hexdigest()} answers, not" in done.stderr


def test_a_missing_server_fails(command, bundle) -> None:
    """The command fails if no server listens."""
    done = _golden(command, "http://127.0.0.1:1", "--bundle", bundle)
    assert done.returncode == 1
    assert "No answer" in done.stderr


def test_a_folder_without_a_bundle_is_an_error(command, url, tmp_path) -> None:
    """A folder without a bundle, and a missing token file, end the command with 2 and what to name instead."""
    assert _golden(command, url, "--bundle", tmp_path).returncode == 2
    missing = _golden(command, url, "--bundle", tmp_path, "--token-file", tmp_path / "token")
    assert missing.returncode == 2
    assert "can't be read" in missing.stderr
