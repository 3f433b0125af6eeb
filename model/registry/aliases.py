"""The registry's document: the bundle of each alias, and the history of all changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import msgspec

from customer_risk.model.errors import RegistryError

Alias = Literal["champion", "challenger", "previous"]
ALIASES: Final[tuple[Alias, ...]] = get_args(Alias)
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a change, when (RFC 3339, UTC) and why."""

    by: str
    at: str
    why: str


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An entry of the history: `bundle` is the new bundle of the alias, `replaced` the bundle before."""

    action: Literal["add", "promote", "rollback"]
    at: str
    by: str
    why: str
    bundle: str
    alias: Alias | None = None
    replaced: str | None = None


class Aliases(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`aliases.json`: the version (sha256, 64 hexadecimal digits) of each alias, and the history, oldest first.

    Entries of the history are never changed or removed.
    """

    schema_version: int = SCHEMA_VERSION
    champion: str | None = None
    challenger: str | None = None
    previous: str | None = None
    history: tuple[Change, ...] = ()

    def held(self) -> dict[Alias, str]:
        """Map each alias that is set to its version."""
        versions = ((alias, getattr(self, alias)) for alias in ALIASES)
        return {alias: version for alias, version in versions if version is not None}

    def names(self, version: str) -> list[Alias]:
        """Return the names of the aliases that point at `version`."""
        return [alias for alias, held in self.held().items() if held == version]

    def added(self, version: str) -> Change | None:
        """Return the entry of the history with which `version` was added."""
        return next((change for change in self.history if change.action == "add" and change.bundle == version), None)


def decode(content: bytes | None, where: str) -> Aliases:
    """Return the document; an empty document if `content` is None.

    Raises RegistryError if the content can't be read or has another schema version.
    """
    if content is None:
        return Aliases()
    try:
        aliases = msgspec.json.decode(content, type=Aliases)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise RegistryError(
            f"{where} can't be read: {error}.",
            remedy="Restore it from a backup or from an earlier version of the object.",
        ) from error
    if aliases.schema_version != SCHEMA_VERSION:
        raise RegistryError(
            f"{where} has the schema version {aliases.schema_version}; this release reads {SCHEMA_VERSION}.",
            remedy="Use the release that wrote it, or a newer one.",
        )
    return aliases


def encode(aliases: Aliases) -> bytes:
    """Return the document as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(aliases), indent=2) + b"\n"


def add(aliases: Aliases, version: str, author: Author) -> Aliases:
    """Add `version` to the history; if it was added before, change nothing."""
    if aliases.added(version) is not None:
        return aliases
    change = Change(action="add", at=author.at, by=author.by, why=author.why, bundle=version)
    return msgspec.structs.replace(aliases, history=(*aliases.history, change))


def promote(aliases: Aliases, version: str, alias: Literal["champion", "challenger"], author: Author) -> Aliases:
    """Point `alias` at `version`; a new champion makes the old one `previous`.

    If the challenger becomes champion, the alias challenger is removed. Promoting a bundle that already has the alias
    changes nothing, so that `previous` stays the bundle before the champion. Raises RegistryError without a reason.
    """
    replaced: str | None = getattr(aliases, alias)
    if replaced == version:
        return aliases
    held: dict[Alias, str | None] = {alias: version}
    if alias == "champion":
        held["previous"] = replaced
        if aliases.challenger == version:
            held["challenger"] = None
    return _changed(aliases, held, "promote", alias, version, replaced, author)


def roll_back(aliases: Aliases, author: Author) -> Aliases:
    """Swap champion and previous, so that a rollback can itself be rolled back.

    Raises RegistryError if there is no previous champion, or without a reason.
    """
    if aliases.champion is None or aliases.previous is None:
        raise RegistryError(
            "There is no previous champion to roll back to.",
            remedy="Promote a bundle by its hash instead; `customer-risk registry list` shows the bundles.",
        )
    held: dict[Alias, str | None] = {"champion": aliases.previous, "previous": aliases.champion}
    return _changed(aliases, held, "rollback", "champion", aliases.previous, aliases.champion, author)


def _changed(
    aliases: Aliases,
    held: dict[Alias, str | None],
    action: Literal["promote", "rollback"],
    alias: Alias,
    bundle: str,
    replaced: str | None,
    author: Author,
) -> Aliases:
    if not author.why.strip():
        raise RegistryError("A change of an alias needs a reason.", remedy="Give the reason with --why.")
    change = Change(
        action=action, at=author.at, by=author.by, why=author.why, bundle=bundle, alias=alias, replaced=replaced
    )
    return msgspec.structs.replace(aliases, **held, history=(*aliases.history, change))
