"""The versions of Python and of the packages that a table's figures were measured with."""

from __future__ import annotations

import platform
from importlib.metadata import version


def versions(*packages: str, **others: str) -> str:
    """Return the line below a table: the versions of Python, of the installed packages and of `others`."""
    named = {"Python": platform.python_version(), **{name: version(name) for name in packages}, **others}
    return "Versions: " + ", ".join(f"{name} {number}" for name, number in named.items()) + "."
