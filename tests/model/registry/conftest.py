"""Registries to test with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from customer_risk.model.registry.aliases import Author
from customer_risk.model.registry.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def author() -> Author:
    """The author of a change."""
    return Author(by="a.tester", at="2026-01-05T09:30:00Z", why="better on the spring cohort")


@pytest.fixture(scope="session")
def bundles(write_tiny_bundle: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three different bundles."""
    folder = tmp_path_factory.mktemp("bundles")
    for seed in range(3):
        write_tiny_bundle(folder / str(seed), seed=seed)
    return [folder / str(seed) for seed in range(3)]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty registry in a folder that doesn't exist yet."""
    return Registry.at(tmp_path / "registry")


@pytest.fixture
def filled(registry: Registry, bundles: list[Path], author: Author) -> tuple[Registry, list[str]]:
    """A registry with three bundles, and their versions."""
    return registry, [registry.add(bundle, author) for bundle in bundles]
