"""JSON pointers (RFC 6901): where in a document."""

from __future__ import annotations


def pointer_to(parent: str, *names: str | int) -> str:
    """Point at a member of `parent`, and at a member of that; ~ and / within a name are written ~0 and ~1."""
    return parent + "".join(f"/{str(name).replace('~', '~0').replace('/', '~1')}" for name in names)
