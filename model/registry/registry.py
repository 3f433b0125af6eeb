"""The registry: stores bundles by their hash, and points aliases such as champion at them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from customer_risk.model.errors import RegistryError
from customer_risk.model.registry import aliases
from customer_risk.model.registry.factory import open_store
from customer_risk.model.scoring.bundle import load_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from customer_risk.model.registry.aliases import Alias, Aliases, Author, Change
    from customer_risk.model.registry.interface import Store

_PREFIX: Final = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True)
class Held:
    """One bundle in the registry; `added` is None if `add` ended before it wrote the history."""

    version: str
    aliases: tuple[Alias, ...]
    added: Change | None


class Registry:
    """The bundles and aliases of a store; each change replaces one document, so writers may work at the same time."""

    def __init__(self, store: Store, verify: Callable[[Path], object] = load_bundle) -> None:
        self._store = store
        self._verify = verify

    @classmethod
    def at(cls, where: str | Path, endpoint: str = "") -> Registry:
        """Open the registry in a folder or at gs://BUCKET/PREFIX; a folder that doesn't exist yet is an empty registry.

        `endpoint` is the URL of a server other than Google's. Raises ConfigError for another address.
        """
        return cls(open_store(where, endpoint))

    def add(self, bundle: Path, author: Author) -> str:
        """Store a copy of a bundle after its hashes and golden rows were checked; return its version.

        A second call changes nothing. Raises BundleError if the check fails; then nothing is stored.
        """
        version = self._store.keep(bundle, self._verify)
        self._change(lambda document: aliases.add(document, version, author))
        return version

    def promote(self, reference: str, alias: Literal["champion", "challenger"], author: Author) -> Change | None:
        """Point `alias` at the bundle that `reference` names: a hash, the unique beginning of a hash, or an alias.

        Returns the new entry of the history; None if the alias points at the bundle already. The bundle is checked
        again first, so that no alias points at a damaged copy. Raises RegistryError for an unknown reference,
        BundleError for a damaged bundle.
        """
        sound: set[str] = set()

        def change(document: Aliases) -> Aliases:
            version = self._resolve(reference, document)
            if version not in sound:
                self._verify(self._store.fetch(version))
                sound.add(version)
            return aliases.promote(document, version, alias, author)

        after, changed = self._change(change)
        return after.history[-1] if changed else None

    def roll_back(self, author: Author) -> Change:
        """Check the previous champion, swap champion and previous, and return the new entry of the history.

        Raises RegistryError if there is no previous champion, BundleError if its copy is damaged.
        """

        def change(document: Aliases) -> Aliases:
            if document.previous is not None:
                self._verify(self._store.fetch(document.previous))
            return aliases.roll_back(document, author)

        return self._change(change)[0].history[-1]

    def resolve(self, reference: str) -> str:
        """Return the version that a hash, its unique beginning (4 digits or more) or an alias names.

        Raises RegistryError, listing all bundles, for an unknown reference.
        """
        return self._resolve(reference, self._read()[0])

    def bundle(self, reference: str) -> Path:
        """Return a local folder with the bundle that `reference` names."""
        return self._store.fetch(self.resolve(reference))

    def held(self) -> list[Held]:
        """Return every bundle: those with an alias first, then by the time of adding, the newest first."""
        document = self._read()[0]
        rows = [
            Held(version=version, aliases=tuple(document.names(version)), added=document.added(version))
            for version in self._store.versions()
        ]
        rows.sort(key=lambda row: row.added.at if row.added else "", reverse=True)
        return sorted(
            rows, key=lambda row: aliases.ALIASES.index(row.aliases[0]) if row.aliases else len(aliases.ALIASES)
        )

    def history(self) -> tuple[Change, ...]:
        """Return every change, oldest first."""
        return self._read()[0].history

    def _read(self) -> tuple[Aliases, str]:
        content, tag = self._store.read()
        return aliases.decode(content, self._store.where), tag

    def _change(self, change: Callable[[Aliases], Aliases]) -> tuple[Aliases, bool]:
        """Apply `change` to the newest document, again if another writer was first; return whether it changed."""
        while True:
            before, tag = self._read()
            after = change(before)
            if after is before:
                return before, False
            if self._store.swap(tag, aliases.encode(after)):
                return after, True

    def _resolve(self, reference: str, document: Aliases) -> str:
        held = document.held()
        for alias in aliases.ALIASES:
            if reference == alias:
                if alias in held:
                    return held[alias]
                raise RegistryError(f"The alias {alias} points at no bundle.", remedy=self._exists(document))
        versions = self._store.versions()
        if not _PREFIX.fullmatch(reference.lower()):
            raise RegistryError(
                f"{reference!r} is neither an alias nor at least the first 4 digits of a hash.",
                remedy=self._exists(document),
            )
        found = [version for version in versions if version.startswith(reference.lower())]
        if len(found) != 1:
            many = f"{len(found)} bundles have a hash that begins" if found else "No bundle has a hash that begins"
            raise RegistryError(f"{many} with {reference}.", remedy=self._exists(document))
        return found[0]

    def _exists(self, document: Aliases) -> str:
        versions = self._store.versions()
        if not versions:
            return "The registry is empty. `customer-risk registry add BUNDLE` adds a bundle."
        shown = [f"{version} ({', '.join(document.names(version)) or 'no alias'})" for version in versions]
        return f"The registry has {'; '.join(shown)}."
