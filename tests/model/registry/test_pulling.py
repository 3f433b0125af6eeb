"""Downloads a bundle by its hash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from customer_risk.model.cli.registry import registry as command
from customer_risk.model.errors import BundleAltered, ConfigError, RegistryError
from customer_risk.model.registry.factory import open_store
from customer_risk.model.registry.interface import FolderStore
from customer_risk.model.registry.pulling import pull
from customer_risk.model.scoring.bundle import load_bundle


@pytest.fixture
def place(tmp_path) -> Path:
    """The folder of `filled`."""
    return tmp_path / "registry"


def test_pulled_bundle_is_the_one_that_was_pinned(filled, place, tmp_path):
    """The bundle loads, and its version is the hash."""
    version = filled[1][0]
    assert pull(version, FolderStore(place), tmp_path / "out")
    assert load_bundle(tmp_path / "out").version == version


def test_pulling_again_changes_nothing_and_sends_no_request(filled, place, tmp_path):
    """A restarted container finds its bundle, also without the registry."""
    version = filled[1][0]
    pull(version, FolderStore(place), tmp_path / "out")
    before = (tmp_path / "out").stat()
    assert not pull(version, FolderStore(tmp_path / "gone"), tmp_path / "out")
    assert (tmp_path / "out").stat().st_ino == before.st_ino


def test_another_bundle_is_replaced_whole(filled, place, tmp_path):
    """The other bundle is removed, and no temporary folder is left."""
    for version in filled[1][:2]:
        assert pull(version, FolderStore(place), tmp_path / "pod" / "out")
    assert load_bundle(tmp_path / "pod" / "out").version == filled[1][1]
    assert [path.name for path in (tmp_path / "pod").iterdir()] == ["out"]


def test_damaged_bundle_in_the_way_is_fetched_anew(filled, place, tmp_path):
    """An incomplete or altered copy is downloaded again."""
    version = filled[1][0]
    pull(version, FolderStore(place), tmp_path / "out")
    (tmp_path / "out" / "trees.json").unlink()
    assert pull(version, FolderStore(place), tmp_path / "out")
    assert load_bundle(tmp_path / "out").version == version


def test_folder_with_other_files_is_not_changed(filled, place, tmp_path):
    """A folder with other files is refused and not changed."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").write_text("years of work")
    with pytest.raises(RegistryError, match="has files that aren't a bundle"):
        pull(filled[1][0], FolderStore(place), tmp_path / "out")
    assert (tmp_path / "out" / "thesis.doc").exists()


@pytest.mark.parametrize("reference", ["champion", "3f2a9c01", "F" * 64, "../" + "a" * 61])
def test_only_a_whole_hash_is_pulled(tmp_path, reference):
    """Aliases, short hashes and paths are refused."""
    with pytest.raises(RegistryError, match="resolve champion"):
        pull(reference, FolderStore(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("filled")
def test_absent_bundle_is_reported_and_nothing_is_left(place, tmp_path):
    """The message names the unknown hash and the command that lists bundles."""
    with pytest.raises(RegistryError, match=f"no bundle {'a' * 64}.*registry list"):
        pull("a" * 64, FolderStore(place), tmp_path / "pod" / "out")
    assert list((tmp_path / "pod").iterdir()) == []


@pytest.mark.parametrize(
    ("alter", "told"),
    [
        (lambda folder: (folder / "trees.json").write_bytes(b"[]"), "trees.json has the sha256"),
        (lambda folder: (folder / "golden.json").unlink(), "golden.json can't be read"),
        (lambda folder: (folder / "extra.json").write_bytes(b"{}"), "extra.json, which its manifest doesn't name"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"{}"), "manifest.json has the sha256"),
    ],
)
def test_altered_bundle_is_refused(filled, place, tmp_path, alter, told):
    """Each file must be the one that was added; nothing is left of an altered bundle."""
    version = filled[1][0]
    held = place / "bundles" / version
    for path in held.iterdir():
        path.chmod(0o644)
    alter(held)
    with pytest.raises(BundleAltered, match=told):
        pull(version, FolderStore(place), tmp_path / "pod" / "out")
    assert list((tmp_path / "pod").iterdir()) == []


def test_unreadable_manifest_is_reported(place, tmp_path):
    """A manifest that isn't JSON is refused, also if its hash is right."""
    import hashlib

    version = hashlib.sha256(b"nonsense").hexdigest()
    (place / "bundles" / version).mkdir(parents=True)
    (place / "bundles" / version / "manifest.json").write_bytes(b"nonsense")
    with pytest.raises(BundleAltered, match="can't be read"):
        pull(version, FolderStore(place), tmp_path / "out")


def test_place_that_cannot_be_written_is_reported(filled, place, tmp_path):
    """A file in the path of the target is reported."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryError, match="Make its parent folder writable"):
        pull(filled[1][0], FolderStore(place), tmp_path / "file" / "out")


def test_files_come_as_they_are_and_can_be_replaced(filled, place, tmp_path):
    """The registry's files are read-only; the pod's copies can be replaced."""
    version = filled[1][0]
    pull(version, FolderStore(place), tmp_path / "out")
    for path in (place / "bundles" / version).iterdir():
        copy = tmp_path / "out" / path.name
        assert copy.read_bytes() == path.read_bytes()
        assert os.access(copy, os.W_OK)


@pytest.mark.parametrize("where", ["s3://bucket", "gs://", "gs:///prefix"])
def test_address_of_no_registry_is_refused(where):
    """An address that is neither a folder nor a bucket is refused."""
    with pytest.raises(ConfigError, match=r"gs://BUCKET/PREFIX"):
        open_store(where)


def test_command_pulls_and_says_where(filled, place, tmp_path):
    """The command downloads a bundle once, and says what it did."""
    version = filled[1][0]
    arguments = ["pull", version, "--registry", str(place), "--out", str(tmp_path / "out")]
    first, second = (CliRunner().invoke(command, arguments) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert f"has bundle {version}, downloaded from {place}" in first.stderr
    assert f"has bundle {version}, unchanged" in second.stderr


def test_pull_imports_neither_numba_nor_a_cloud(filled, place, tmp_path):
    """The command for a folder imports no slow library."""
    code = (
        "import sys\nfrom customer_risk.model.cli.registry import registry\n"
        "registry(standalone_mode=False)\n"
        "print(sorted({'numba', 'numpy', 'google.cloud'} & set(sys.modules)))"
    )
    arguments = ["pull", filled[1][0], "--registry", place, "--out", tmp_path / "out"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
