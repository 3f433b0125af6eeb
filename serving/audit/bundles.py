"""The bundles that decisions may have been made with: a registry's, and any folder that is named."""

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
    """Finds bundles by version in a registry (a folder, or gs://...), and among `folders`, each of which is one."""

    def __init__(self, registry: Path | str | None = None, folders: Iterable[Path] = ()) -> None:
        self._registry = None if registry is None else Registry.at(registry)
        named = (load_bundle(folder) for folder in folders)
        self._named = {bundle.version: bundle for bundle in named}

    def find(self, version: str) -> Bundle | str:
        """Return the bundle of exactly that version once its hashes and golden rows hold; else why there is none."""
        if version in self._named:
            return self._named[version]
        if self._registry is None:
            return f"no registry is given to find the bundle {version} in"
        try:
            bundle = load_bundle(self._registry.bundle(version))
        except RegistryError:
            return f"the registry doesn't hold the bundle {version}"
        except BundleError as error:
            return f"the bundle {version} can't be used: {error.problem}"
        return bundle if bundle.version == version else f"what the registry holds as {version} is {bundle.version}"
