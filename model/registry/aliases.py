"""The registry's one document: what each alias points at, and every change with who, when and why."""

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
    """One line of the history: `bundle` is what the action put in place, `replaced` what stood at the alias before."""

    action: Literal["add", "promote", "rollback"]
    at: str
    by: str
    why: str
    bundle: str
    alias: Alias | None = None
    replaced: str | None = None


class Aliases(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`aliases.json`: the version (a sha256 in 64 hexadecimal digits) at each alias, and the history, oldest first.

    The history is only ever appended to.
    """

    schema_version: int = SCHEMA_VERSION
    champion: str | None = None
    challenger: str | None = None
    previous: str | None = None
    history: tuple[Change, ...] = ()

    def held(self) -> dict[Alias, str]:
        """Map each alias that points somewhere to its version."""
        versions = ((alias, getattr(self, alias)) for alias in ALIASES)
        return {alias: version for alias, version in versions if version is not None}

    def names(self, version: str) -> list[Alias]:
        """Return the names of the aliases that point at `version`."""
        return [alias for alias, held in self.held().items() if held == version]

    def added(self, version: str) -> Change | None:
        """Find the line that says who added `version`."""
        return next((change for change in self.history if change.action == "add" and change.bundle == version), None)


def decode(content: bytes | None, where: str) -> Aliases:
    """Read the document; None, where none was written yet, is an empty one.

    Raises RegistryError where it can't be read or has another schema version.
    """
    if content is None:
        return Aliases()
    try:
        aliases = msgspec.json.decode(content, type=Aliases)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise RegistryError(
            f"{where} can't be read: {error}.",
            remedy="Put back its last good copy; this project replaces the file whole and never leaves a part of it.",
        ) from error
    if aliases.schema_version != SCHEMA_VERSION:
        raise RegistryError(
            f"{where} has the schema version {aliases.schema_version}; this release reads {SCHEMA_VERSION}.",
            remedy="Use the release that wrote it, or a newer one.",
        )
    return aliases


def encode(aliases: Aliases) -> bytes:
    """Write the document as JSON that a person can read."""
    return msgspec.json.format(msgspec.json.encode(aliases), indent=2) + b"\n"


def add(aliases: Aliases, version: str, author: Author) -> Aliases:
    """Write down that `version` was added; a second time changes nothing."""
    if aliases.added(version) is not None:
        return aliases
    change = Change(action="add", at=author.at, by=author.by, why=author.why, bundle=version)
    return msgspec.structs.replace(aliases, history=(*aliases.history, change))


def promote(aliases: Aliases, version: str, alias: Literal["champion", "challenger"], author: Author) -> Aliases:
    """Point `alias` at `version`; a new champion makes the old one `previous`.

    A challenger that becomes champion is no challenger any more. Promoting what already stands there changes nothing:
    it must not push the champion into `previous`, where a rollback looks. Raises RegistryError without a reason.
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

    Raises RegistryError with nothing to go back to, or without a reason.
    """
    if aliases.champion is None or aliases.previous is None:
        raise RegistryError(
            "There is no previous champion to roll back to.",
            remedy="Promote a bundle by its hash instead; `customer-risk registry list` shows those held.",
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
        raise RegistryError("A change of alias needs its reason.", remedy="State it with --why; the history keeps it.")
    change = Change(
        action=action, at=author.at, by=author.by, why=author.why, bundle=bundle, alias=alias, replaced=replaced
    )
    return msgspec.structs.replace(aliases, **held, history=(*aliases.history, change))
