"""The versions of a bundle's action rule and of its wordings, as the record keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET

from customer_risk.model.scoring.action_rule import BY_SEGMENT

if TYPE_CHECKING:
    from customer_risk.model.scoring.bundle import Manifest


class Versions(NamedTuple):
    """The versions of the action rule and of the texts of reasons and patterns."""

    action_rule: int
    wordings: int


def versions_of(manifest: Manifest) -> Versions:
    """Return the versions of a bundle: version 1 if its manifest has none."""
    rule = manifest.action_rule
    return Versions(BY_SEGMENT if rule is UNSET else rule.version, manifest.wordings_version)
