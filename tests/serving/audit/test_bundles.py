"""Finding the bundle that decided."""

from __future__ import annotations

import shutil

from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving.audit.bundles import Bundles


def test_a_registry_gives_the_very_bundle(registry, second_bundle) -> None:
    """By its hash, once it is verified."""
    version = load_bundle(second_bundle, verify_golden=False).version
    assert Bundles(registry).find(version).version == version


def test_a_folder_gives_its_bundle(bundle) -> None:
    """A bundle may be named by its folder."""
    version = load_bundle(bundle, verify_golden=False).version
    assert Bundles(None, (bundle,)).find(version).version == version


def test_without_a_registry_nothing_is_found() -> None:
    """It is said that no registry was given."""
    assert "no registry is given" in Bundles().find("a" * 64)


def test_an_unknown_version_is_said(registry) -> None:
    """It is said that the registry doesn't hold it."""
    assert "doesn't hold" in Bundles(registry).find("a" * 64)


def test_an_altered_bundle_is_never_used(registry, bundle, tmp_path) -> None:
    """It is said what was altered."""
    copy = tmp_path / "registry"
    shutil.copytree(registry, copy)
    version = load_bundle(bundle, verify_golden=False).version
    trees = copy / "bundles" / version / "trees.json"
    trees.chmod(0o644)
    trees.write_bytes(trees.read_bytes() + b" ")
    assert "altered" in Bundles(copy).find(version)


def test_a_bundle_in_anothers_place_is_never_used(registry, bundle, second_bundle, tmp_path) -> None:
    """A sound bundle under another's hash isn't the one that decided."""
    copy = tmp_path / "registry"
    shutil.copytree(registry, copy)
    first, second = (load_bundle(each, verify_golden=False).version for each in (bundle, second_bundle))
    shutil.rmtree(copy / "bundles" / first)
    (copy / "bundles" / second).rename(copy / "bundles" / first)
    assert second in Bundles(copy).find(first)
