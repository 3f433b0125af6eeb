"""Who is at the keyboard."""

from __future__ import annotations

import getpass


def named(by: str | None) -> str:
    """Return the name that was said, else the login name; "" where there is neither, as in a container."""
    if by is not None:
        return by.strip()
    try:
        return getpass.getuser().strip()
    except (OSError, KeyError):  # KeyError until Python 3.12
        return ""
