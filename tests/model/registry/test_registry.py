"""Bundles and aliases together, with real bundles."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from customer_risk.model.errors import BundleAltered, RegistryError
from customer_risk.model.registry.aliases import Author
from customer_risk.model.registry.interface import FolderStore
from customer_risk.model.registry.registry import Registry


def test_added_bundle_loads_from_the_registry(registry, bundles, author):
    """The stored copy is the bundle that was added."""
    from customer_risk.model.scoring.bundle import load_bundle

    version = registry.add(bundles[0], author)
    assert load_bundle(registry.bundle(version)).version == version


def test_adding_again_changes_nothing(registry, bundles, author):
    """A bundle that is added twice is stored once."""
    first = registry.add(bundles[0], author)
    assert registry.add(bundles[0], author) == first
    assert len(registry.held()) == len(registry.history()) == 1


def test_bundle_with_one_flipped_byte_is_refused(registry, bundles, author, tmp_path):
    """A damaged bundle isn't added."""
    damaged = tmp_path / "damaged"
    shutil.copytree(bundles[0], damaged)
    content = bytearray((damaged / "trees.json").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "trees.json").write_bytes(content)
    with pytest.raises(BundleAltered):
        registry.add(damaged, author)
    assert registry.held() == []


def _damage(registry: Registry, version: str) -> None:
    path = registry.bundle(version) / "trees.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b" ")


def test_bundle_damaged_in_the_registry_cannot_be_promoted(filled, author):
    """No alias points at a copy that doesn't load."""
    registry, versions = filled
    _damage(registry, versions[0])
    with pytest.raises(BundleAltered):
        registry.promote(versions[0], "champion", author)
    with pytest.raises(RegistryError, match="alias champion points at no bundle"):
        registry.resolve("champion")


def test_rollback_to_a_damaged_bundle_is_refused(filled, author):
    """A rollback verifies the previous bundle."""
    registry, versions = filled
    registry.promote(versions[0], "champion", author)
    registry.promote(versions[1], "champion", author)
    _damage(registry, versions[0])
    with pytest.raises(BundleAltered):
        registry.roll_back(author)
    assert registry.resolve("champion") == versions[1]


def test_unique_start_of_a_hash_names_a_bundle(filled):
    """The unique beginning of a hash is enough, also in capitals."""
    registry, versions = filled
    assert registry.resolve(versions[0][:10]) == versions[0]
    assert registry.resolve(versions[0][:10].upper()) == versions[0]


def test_unknown_hash_is_refused_with_what_exists(filled):
    """The message lists the bundles and their aliases."""
    registry, versions = filled
    with pytest.raises(RegistryError, match="No bundle has a hash that begins with 0123456789ab") as refusal:
        registry.resolve("0123456789ab")
    assert all(version in refusal.value.remedy for version in versions)


def test_start_that_two_bundles_share_is_refused(tmp_path):
    """A beginning that two hashes share is refused."""
    for version in ("abcd" + "0" * 60, "abcd" + "1" * 60):
        (tmp_path / "bundles" / version).mkdir(parents=True)
    with pytest.raises(RegistryError, match="2 bundles have a hash that begins with abcd"):
        Registry.at(tmp_path).resolve("abcd")


@pytest.mark.parametrize("reference", ["champoin", "abc", "", "../..", "*"])
def test_what_is_neither_alias_nor_hash_is_refused(filled, reference):
    """A misspelt alias isn't read as a hash, and neither is read as a path."""
    with pytest.raises(RegistryError, match="neither an alias nor at least the first 4 digits"):
        filled[0].resolve(reference)


def test_alias_that_is_not_set_is_refused(filled):
    """The message names the alias that isn't set."""
    with pytest.raises(RegistryError, match="alias challenger points at no bundle"):
        filled[0].resolve("challenger")


def test_empty_registry_says_how_to_fill_it(registry):
    """The remedy is the command that adds a bundle."""
    with pytest.raises(RegistryError, match=r"registry is empty.*registry add BUNDLE"):
        registry.resolve("champion")


def test_list_shows_the_aliased_bundles_first(filled, author):
    """The champion is first, then the challenger, then bundles without an alias."""
    registry, versions = filled
    registry.promote(versions[2], "champion", author)
    registry.promote(versions[1], "challenger", author)
    assert [(held.version, held.aliases) for held in registry.held()] == [
        (versions[2], ("champion",)),
        (versions[1], ("challenger",)),
        (versions[0], ()),
    ]


def test_incomplete_adding_is_listed_and_completed_by_adding_again(registry, bundles, author, tmp_path):
    """After a crash before the history was written, adding again completes the entry."""
    version = registry.add(bundles[0], author)
    (tmp_path / "registry" / "aliases.json").unlink()
    assert [(held.version, held.added) for held in registry.held()] == [(version, None)]
    registry.add(bundles[0], author)
    assert registry.held()[0].added is not None


def test_promotions_by_several_threads_make_one_unbroken_history(tmp_path):
    """Each change replaced the bundle of the change before it; no change is lost."""
    versions = [digit * 64 for digit in "abc"]
    for version in versions:
        (tmp_path / "bundles" / version).mkdir(parents=True)
    registry = Registry(FolderStore(tmp_path), verify=lambda _: None)

    def promote(number: int) -> None:
        author = Author(by=f"thread-{number % 4}", at="2026-01-05T09:30:00Z", why=str(number))
        registry.promote(versions[number % 3], "champion", author)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(promote, range(60)))
    changes = registry.history()
    assert [change.replaced for change in changes] == [None, *(change.bundle for change in changes[:-1])]
    assert (registry.resolve("champion"), registry.resolve("previous")) == (changes[-1].bundle, changes[-2].bundle)


def test_author_is_kept_word_for_word(registry, bundles):
    """Names and reasons are kept with all their characters."""
    said = Author(by="Zoë Müller", at="2026-03-01T12:00:00Z", why='better "AP", 0.57 → 0.61')
    version = registry.add(bundles[0], said)
    change = registry.promote(version[:8], "champion", said)
    assert change is not None
    assert (registry.history()[-1].by, registry.history()[-1].why) == (said.by, said.why)
