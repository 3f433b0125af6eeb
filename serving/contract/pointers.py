"""JSON pointers (RFC 6901)."""

from __future__ import annotations


def pointer_to(parent: str, *names: str | int) -> str:
    """Return the pointer to a member of `parent`, or to a member of that; ~ and / in a name are written ~0 and ~1."""
    return parent + "".join(f"/{str(name).replace('~', '~0').replace('/', '~1')}" for name in names)
