"""`customer-risk golden`: a running server held to a bundle's golden rows."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def url(start, command, bundle) -> str:
    """Where a server with the bundle answers."""
    server = start(command, bundle)
    server.wait_for("/v2/health/ready")
    return f"http://127.0.0.1:{server.port}"


def _golden(command, *arguments) -> subprocess.CompletedProcess[str]:
    return subprocess.run([command, "golden", *arguments], capture_output=True, text=True, check=False)


def test_the_bundles_own_server_passes(command, url, bundle) -> None:
    """A server answers the golden requests of the bundle that it runs as they should be."""
    done = _golden(command, url, "--bundle", bundle, "--host", "prod.deblock.com")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"golden requests answered as they should be by {url}\n")


def test_another_bundles_server_does_not(command, url, bundle, tmp_path) -> None:
    """A server that runs another bundle fails, and the message says which bundle answered."""
    other = tmp_path / "bundle"
    shutil.copytree(bundle, other)
    manifest = other / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b" ")
    done = _golden(command, url, "--bundle", other)
    assert done.returncode == 1
    assert f"{hashlib.sha256((bundle / 'manifest.json').read_bytes()).hexdigest()} answers, not" in done.stderr


def test_nobody_there(command, bundle) -> None:
    """Where nothing listens the command fails rather than passes for want of answers."""
    done = _golden(command, "http://127.0.0.1:1", "--bundle", bundle)
    assert done.returncode == 1
    assert "No answer" in done.stderr


def test_a_folder_that_is_no_bundle(command, url, tmp_path) -> None:
    """A folder without a bundle, or a token that isn't there, ends the command with what to name instead."""
    assert _golden(command, url, "--bundle", tmp_path).returncode == 2
    missing = _golden(command, url, "--bundle", tmp_path, "--token-file", tmp_path / "token")
    assert missing.returncode == 2
    assert "can't be read" in missing.stderr
