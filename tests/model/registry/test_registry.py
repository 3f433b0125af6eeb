"""Bundles and aliases together, over real bundles."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from customer_risk.model.errors import BundleAltered, RegistryError
from customer_risk.model.registry.aliases import Author
from customer_risk.model.registry.interface import FolderStore
from customer_risk.model.registry.registry import Registry


def test_added_bundle_loads_from_the_registry(registry, bundles, author):
    """What is kept is a bundle like the one given."""
    from customer_risk.model.scoring.bundle import load_bundle

    version = registry.add(bundles[0], author)
    assert load_bundle(registry.bundle(version)).version == version


def test_adding_again_changes_nothing(registry, bundles, author):
    """One bundle is held once, however often it is added."""
    first = registry.add(bundles[0], author)
    assert registry.add(bundles[0], author) == first
    assert len(registry.held()) == len(registry.history()) == 1


def test_bundle_with_one_flipped_byte_is_refused(registry, bundles, author, tmp_path):
    """Nothing damaged gets in."""
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
    """An alias never comes to point at a copy that doesn't load."""
    registry, versions = filled
    _damage(registry, versions[0])
    with pytest.raises(BundleAltered):
        registry.promote(versions[0], "champion", author)
    with pytest.raises(RegistryError, match="No bundle is champion"):
        registry.resolve("champion")


def test_rollback_to_a_damaged_bundle_is_refused(filled, author):
    """Going back is checked like going forward."""
    registry, versions = filled
    registry.promote(versions[0], "champion", author)
    registry.promote(versions[1], "champion", author)
    _damage(registry, versions[0])
    with pytest.raises(BundleAltered):
        registry.roll_back(author)
    assert registry.resolve("champion") == versions[1]


def test_challenger_is_promoted_by_its_alias(filled, author):
    """An alias names what it points at when the change is made."""
    registry, versions = filled
    registry.promote(versions[0], "champion", author)
    registry.promote(versions[1], "challenger", author)
    change = registry.promote("challenger", "champion", author)
    assert change is not None
    assert (change.bundle, change.replaced) == (versions[1], versions[0])
    assert registry.resolve("previous") == versions[0]


def test_promoting_the_champion_again_says_that_nothing_changed(filled, author):
    """No line is added to the history for nothing."""
    registry, versions = filled
    registry.promote(versions[0], "champion", author)
    before = registry.history()
    assert registry.promote("champion", "champion", author) is None
    assert registry.history() == before


def test_rollback_brings_the_old_champion_back(filled, author):
    """A rollback is one step, and written down."""
    registry, versions = filled
    registry.promote(versions[0], "champion", author)
    registry.promote(versions[1], "champion", author)
    assert registry.roll_back(author).bundle == versions[0]
    assert registry.resolve("champion") == versions[0]
    assert registry.history()[-1].action == "rollback"


def test_unique_start_of_a_hash_names_a_bundle(filled):
    """Nobody types 64 digits; capitals are the same digits."""
    registry, versions = filled
    assert registry.resolve(versions[0][:10]) == versions[0]
    assert registry.resolve(versions[0][:10].upper()) == versions[0]


def test_unknown_hash_is_refused_with_what_exists(filled):
    """The refusal lists the bundles held and their aliases."""
    registry, versions = filled
    with pytest.raises(RegistryError, match="No bundle begins with 0123456789ab") as refusal:
        registry.resolve("0123456789ab")
    assert all(version in refusal.value.remedy for version in versions)


def test_start_that_two_bundles_share_is_refused(tmp_path):
    """A guess between two bundles is no answer."""
    for version in ("abcd" + "0" * 60, "abcd" + "1" * 60):
        (tmp_path / "bundles" / version).mkdir(parents=True)
    with pytest.raises(RegistryError, match="2 bundles begin with abcd"):
        Registry.at(tmp_path).resolve("abcd")


@pytest.mark.parametrize("reference", ["champoin", "abc", "", "../..", "*"])
def test_what_is_neither_alias_nor_hash_is_refused(filled, reference):
    """A misspelt alias is not taken for a hash, nor a path for either."""
    with pytest.raises(RegistryError, match="neither an alias nor a hash"):
        filled[0].resolve(reference)


def test_alias_that_points_nowhere_is_refused(filled):
    """An empty alias says so."""
    with pytest.raises(RegistryError, match="No bundle is challenger"):
        filled[0].resolve("challenger")


def test_empty_registry_says_how_to_fill_it(registry):
    """The remedy is the command to run."""
    with pytest.raises(RegistryError, match=r"registry is empty.*registry add BUNDLE"):
        registry.resolve("champion")


def test_list_shows_the_aliased_bundles_first(filled, author):
    """The champion stands at the top."""
    registry, versions = filled
    registry.promote(versions[2], "champion", author)
    registry.promote(versions[1], "challenger", author)
    assert [(held.version, held.aliases) for held in registry.held()] == [
        (versions[2], ("champion",)),
        (versions[1], ("challenger",)),
        (versions[0], ()),
    ]


def test_bundle_whose_adding_was_cut_off_is_listed_and_mended_by_adding_again(registry, bundles, author, tmp_path):
    """A crash between keeping and writing down loses nothing."""
    version = registry.add(bundles[0], author)
    (tmp_path / "registry" / "aliases.json").unlink()
    assert [(held.version, held.added) for held in registry.held()] == [(version, None)]
    registry.add(bundles[0], author)
    assert registry.held()[0].added is not None


def test_promotions_by_several_threads_make_one_unbroken_history(tmp_path):
    """Each change in the history replaced what the one before it put in place; none is lost."""
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
    """Names and reasons survive, whatever their letters."""
    said = Author(by="Zoë Müller", at="2026-03-01T12:00:00Z", why='better "AP", 0.57 → 0.61')
    version = registry.add(bundles[0], said)
    change = registry.promote(version[:8], "champion", said)
    assert change is not None
    assert (registry.history()[-1].by, registry.history()[-1].why) == (said.by, said.why)
