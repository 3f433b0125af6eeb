"""The bundles that made decisions, from a registry and from named folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from customer_risk.model.errors import BundleError, RegistryError
from customer_risk.model.registry.registry import Registry
from customer_risk.model.scoring.bundle import load_bundle

if TYPE_CHECKING:
    from customer_risk.model.scoring.bundle import Bundle


class Bundles:
    """Finds bundles by version in a registry (a folder, or gs://...), and among `folders` of one bundle each."""

    def __init__(self, registry: Path | str | None = None, folders: Iterable[Path] = ()) -> None:
        self._registry = None if registry is None else Registry.at(registry)
        named = (load_bundle(folder) for folder in folders)
        self._named = {bundle.version: bundle for bundle in named}

    def find(self, version: str) -> Bundle | str:
        """Return the verified bundle of a version, or why it is missing."""
        if version in self._named:
            return self._named[version]
        if self._registry is None:
            return f"no --bundle has the version {version}, and --registry isn't given"
        try:
            bundle = load_bundle(self._registry.bundle(version))
        except RegistryError:
            return f"the registry doesn't have the bundle {version}"
        except BundleError as error:
            return f"the bundle {version} can't be used: {error.problem}"
        if bundle.version != version:
            return f"the registry has another bundle under {version}: {bundle.version}"
        return bundle
