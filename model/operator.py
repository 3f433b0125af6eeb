"""The name of the person who runs a command."""

from __future__ import annotations

import getpass


def named(by: str | None) -> str:
    """Return the given name, by default the login name; "" without both, as in a container."""
    if by is not None:
        return by.strip()
    try:
        return getpass.getuser().strip()
    except (OSError, KeyError):  # KeyError until Python 3.12
        return ""
