"""The store in a folder."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from customer_risk.model.errors import BundleError, RegistryError
from customer_risk.model.registry.interface import FolderStore


@pytest.fixture
def store(tmp_path):
    """A store in a folder that doesn't exist yet."""
    return FolderStore(tmp_path / "registry")


@pytest.fixture
def parcel(tmp_path):
    """A folder with a manifest, which is all that the store reads of a bundle."""
    folder = tmp_path / "parcel"
    folder.mkdir()
    (folder / "manifest.json").write_bytes(b'{"name": "parcel"}')
    (folder / "trees.json").write_bytes(b"[]")
    return folder


def _pass(_folder):
    return None


def test_absent_folder_is_an_empty_store(store):
    """Reading doesn't create the folder."""
    assert store.read() == (None, "")
    assert store.versions() == []


def test_swap_replaces_what_it_read(store):
    """The document is replaced if its tag is still the one that was read."""
    assert store.swap("", b"one")
    content, tag = store.read()
    assert content == b"one"
    assert store.swap(tag, b"two")
    assert store.read()[0] == b"two"


def test_swap_with_an_old_tag_does_nothing(store):
    """A writer with an old tag must read again."""
    store.swap("", b"one")
    assert not store.swap("", b"two")
    assert store.read()[0] == b"one"


def test_of_many_writers_with_one_tag_exactly_one_wins(store):
    """Of several threads with the same tag, one replaces the document."""
    store.swap("", b"start")
    tag = store.read()[1]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: store.swap(tag, str(number).encode()), range(32)))
    assert sum(won) == 1
    assert store.read()[0] == str(won.index(True)).encode()


def test_writer_that_dies_before_the_rename_leaves_the_old_document(store, tmp_path, monkeypatch):
    """A write that fails leaves the old document and no temporary file."""
    store.swap("", b"whole")
    monkeypatch.setattr("pathlib.Path.replace", _die)
    with pytest.raises(RegistryError, match="can't be written"):
        store.swap(store.read()[1], b"half")
    monkeypatch.undo()
    assert store.read()[0] == b"whole"
    assert sorted(path.name for path in (tmp_path / "registry").iterdir()) == [".lock", "aliases.json"]


def _die(*_):
    raise OSError("the disk went away")


def test_version_is_the_hash_of_the_manifest(store, parcel):
    """The version of a bundle is the sha256 of its manifest.json."""
    version = store.keep(parcel, _pass)
    assert version == hashlib.sha256((parcel / "manifest.json").read_bytes()).hexdigest()
    assert store.versions() == [version]
    assert (store.fetch(version) / "trees.json").read_bytes() == b"[]"


def test_hidden_files_and_lost_and_found_are_not_stored(store, parcel):
    """Hidden files and lost+found aren't part of a bundle."""
    (parcel / ".DS_Store").touch()
    (parcel / "lost+found").mkdir()
    kept = store.fetch(store.keep(parcel, _pass))
    assert sorted(path.name for path in kept.iterdir()) == ["manifest.json", "trees.json"]


def test_kept_files_are_read_only(store, parcel):
    """Stored files are read-only."""
    kept = store.fetch(store.keep(parcel, _pass))
    assert {oct(path.stat().st_mode & 0o777) for path in kept.iterdir()} == {"0o444"}


def test_what_fails_verification_leaves_nothing(store, parcel, tmp_path):
    """A bundle that fails the verification leaves no file."""

    def refuse(_folder):
        raise BundleError("It is wrong.", remedy="Mend it.")

    with pytest.raises(BundleError, match="It is wrong"):
        store.keep(parcel, refuse)
    assert list((tmp_path / "registry" / "bundles").iterdir()) == []


def test_verification_sees_the_copy(store, parcel):
    """The copy is verified, because the source may change meanwhile."""
    seen = []
    store.keep(parcel, seen.append)
    assert seen[0] != parcel
    assert not seen[0].exists()


def test_manifest_that_changes_under_the_copy_is_refused(store, parcel):
    """The version must be the hash of the copied manifest."""

    def meddle(copy):
        (copy / "manifest.json").write_bytes(b"{}")

    with pytest.raises(RegistryError, match="changed while it was read"):
        store.keep(parcel, meddle)
    assert store.versions() == []


def test_folder_without_a_manifest_is_refused(store, tmp_path):
    """The message names a folder that isn't a bundle."""
    with pytest.raises(RegistryError, match=r"has no readable manifest\.json"):
        store.keep(tmp_path, _pass)


def test_several_threads_may_store_the_same_bundle(store, parcel):
    """Several threads may store the same bundle at once."""
    with ThreadPoolExecutor(8) as pool:
        versions = set(pool.map(lambda _: store.keep(parcel, _pass), range(16)))
    assert versions == set(store.versions())
    assert len(versions) == 1


def test_incomplete_copy_is_not_listed(store, tmp_path):
    """An incomplete copy isn't listed."""
    (tmp_path / "registry" / "bundles" / ".abc.123.partial").mkdir(parents=True)
    assert store.versions() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written_is_named(store, parcel, tmp_path):
    """The message names the folder that can't be written."""
    (tmp_path / "registry").mkdir(mode=0o500)
    with pytest.raises(RegistryError, match="registry"):
        store.keep(parcel, _pass)


def test_file_in_the_registrys_place_is_named(tmp_path, parcel):
    """A file at the registry's path is refused."""
    (tmp_path / "registry").write_text("a file")
    store = FolderStore(tmp_path / "registry")
    with pytest.raises(RegistryError, match="can't be read"):
        store.read()
    with pytest.raises(RegistryError, match="can't be kept"):
        store.keep(parcel, _pass)
