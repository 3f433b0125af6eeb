"""Finding the bundle that made a decision."""

from __future__ import annotations

import shutil

from customer_risk.model.scoring.bundle import load_bundle
from customer_risk.serving.audit.bundles import Bundles


def test_a_bundle_is_found_in_a_registry(registry, second_bundle) -> None:
    """A registry's bundle is found by its hash, and verified."""
    version = load_bundle(second_bundle, verify_golden=False).version
    assert Bundles(registry).find(version).version == version


def test_a_bundle_is_found_in_a_folder(bundle) -> None:
    """A bundle in a named folder is found."""
    version = load_bundle(bundle, verify_golden=False).version
    assert Bundles(None, (bundle,)).find(version).version == version


def test_a_missing_registry_is_the_reason() -> None:
    """Without a registry, the reason says that --registry isn't given."""
    assert "--registry isn't given" in Bundles().find("a" * 64)


def test_an_unknown_version_is_the_reason(registry) -> None:
    """For an unknown version, the reason says that the registry doesn't have it."""
    assert "doesn't have" in Bundles(registry).find("a" * 64)


def test_an_altered_bundle_is_never_used(registry, bundle, tmp_path) -> None:
    """For an altered bundle, the reason says what was altered."""
    copy = tmp_path / "registry"
    shutil.copytree(registry, copy)
    version = load_bundle(bundle, verify_golden=False).version
    trees = copy / "bundles" / version / "trees.json"
    trees.chmod(0o644)
    trees.write_bytes(trees.read_bytes() + b" ")
    assert "altered" in Bundles(copy).find(version)


def test_a_bundle_under_another_hash_is_never_used(registry, bundle, second_bundle, tmp_path) -> None:
    """A valid bundle under another bundle's hash isn't used."""
    copy = tmp_path / "registry"
    shutil.copytree(registry, copy)
    first, second = (load_bundle(each, verify_golden=False).version for each in (bundle, second_bundle))
    shutil.rmtree(copy / "bundles" / first)
    (copy / "bundles" / second).rename(copy / "bundles" / first)
    assert second in Bundles(copy).find(first)
