"""The folder that a registry lives in."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from customer_risk.model.errors import BundleError, RegistryError
from customer_risk.model.registry.interface import FolderStore


@pytest.fixture
def store(tmp_path):
    """A store in a folder that isn't there yet."""
    return FolderStore(tmp_path / "registry")


@pytest.fixture
def parcel(tmp_path):
    """A folder with a manifest: all that the store itself knows of a bundle."""
    folder = tmp_path / "parcel"
    folder.mkdir()
    (folder / "manifest.json").write_bytes(b'{"name": "parcel"}')
    (folder / "trees.json").write_bytes(b"[]")
    return folder


def _pass(_folder):
    return None


def test_absent_folder_is_an_empty_store(store):
    """Reading makes nothing."""
    assert store.read() == (None, "")
    assert store.versions() == []


def test_swap_replaces_what_it_read(store):
    """The document changes hands by its tag."""
    assert store.swap("", b"one")
    content, tag = store.read()
    assert content == b"one"
    assert store.swap(tag, b"two")
    assert store.read()[0] == b"two"


def test_swap_with_an_old_tag_does_nothing(store):
    """Whoever read before another's change must read again."""
    store.swap("", b"one")
    assert not store.swap("", b"two")
    assert store.read()[0] == b"one"


def test_of_many_writers_with_one_tag_exactly_one_wins(store):
    """Compare and swap holds between threads."""
    store.swap("", b"start")
    tag = store.read()[1]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: store.swap(tag, str(number).encode()), range(32)))
    assert sum(won) == 1
    assert store.read()[0] == str(won.index(True)).encode()


def test_writer_that_dies_before_the_rename_leaves_the_old_document(store, tmp_path, monkeypatch):
    """A torn write is a temporary file that nobody reads."""
    store.swap("", b"whole")
    monkeypatch.setattr("pathlib.Path.replace", _die)
    with pytest.raises(RegistryError, match="can't be written"):
        store.swap(store.read()[1], b"half")
    monkeypatch.undo()
    assert store.read()[0] == b"whole"
    assert sorted(path.name for path in (tmp_path / "registry").iterdir()) == [".lock", "aliases.json"]


def _die(*_):
    raise OSError("the disk went away")


def test_kept_bundle_stands_under_the_hash_of_its_manifest(store, parcel):
    """The version is the sha256 of manifest.json, as anyone can compute it."""
    version = store.keep(parcel, _pass)
    assert version == hashlib.sha256((parcel / "manifest.json").read_bytes()).hexdigest()
    assert store.versions() == [version]
    assert (store.fetch(version) / "trees.json").read_bytes() == b"[]"


def test_what_file_browsers_and_volumes_leave_is_not_kept(store, parcel):
    """Hidden files and lost+found are no part of a bundle."""
    (parcel / ".DS_Store").touch()
    (parcel / "lost+found").mkdir()
    kept = store.fetch(store.keep(parcel, _pass))
    assert sorted(path.name for path in kept.iterdir()) == ["manifest.json", "trees.json"]


def test_kept_files_are_read_only(store, parcel):
    """What is kept is not to be edited."""
    kept = store.fetch(store.keep(parcel, _pass))
    assert {oct(path.stat().st_mode & 0o777) for path in kept.iterdir()} == {"0o444"}


def test_what_fails_verification_leaves_nothing(store, parcel, tmp_path):
    """A refused bundle isn't half kept."""

    def refuse(_folder):
        raise BundleError("It is wrong.", remedy="Mend it.")

    with pytest.raises(BundleError, match="It is wrong"):
        store.keep(parcel, refuse)
    assert list((tmp_path / "registry" / "bundles").iterdir()) == []


def test_verification_sees_the_copy(store, parcel):
    """A source that changes while it is copied can't slip in what nobody verified."""
    seen = []
    store.keep(parcel, seen.append)
    assert seen[0] != parcel
    assert not seen[0].exists()


def test_manifest_that_changes_under_the_copy_is_refused(store, parcel):
    """The hash in the name is the copy's own."""

    def meddle(copy):
        (copy / "manifest.json").write_bytes(b"{}")

    with pytest.raises(RegistryError, match="changed while it was read"):
        store.keep(parcel, meddle)
    assert store.versions() == []


def test_folder_without_a_manifest_is_refused(store, tmp_path):
    """A folder that is no bundle is named."""
    with pytest.raises(RegistryError, match=r"holds no readable manifest\.json"):
        store.keep(tmp_path, _pass)


def test_many_who_keep_the_same_bundle_all_succeed(store, parcel):
    """Being second is as good as being first."""
    with ThreadPoolExecutor(8) as pool:
        versions = set(pool.map(lambda _: store.keep(parcel, _pass), range(16)))
    assert versions == set(store.versions())
    assert len(versions) == 1


def test_remains_of_a_killed_copy_are_no_bundle(store, tmp_path):
    """A half-made copy is not listed."""
    (tmp_path / "registry" / "bundles" / ".abc.123.partial").mkdir(parents=True)
    assert store.versions() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written_is_named(store, parcel, tmp_path):
    """The refusal says which folder."""
    (tmp_path / "registry").mkdir(mode=0o500)
    with pytest.raises(RegistryError, match="registry"):
        store.keep(parcel, _pass)


def test_file_in_the_registrys_place_is_named(tmp_path, parcel):
    """A file can't be a registry."""
    (tmp_path / "registry").write_text("a file")
    store = FolderStore(tmp_path / "registry")
    with pytest.raises(RegistryError, match="can't be read"):
        store.read()
    with pytest.raises(RegistryError, match="can't be kept"):
        store.keep(parcel, _pass)
