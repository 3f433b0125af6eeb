"""Loads the function behind a subcommand when the subcommand runs.

The modules in `cli` declare arguments, options and help, and import nothing slow. So `--help` is fast, and it works in
an install without the libraries that the subcommand needs.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def load(where: str) -> Callable[..., Any]:
    """Return the function at `where`, written "module:function". Raises ModuleNotFoundError if a library is absent."""
    module, _, name = where.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def run(function: str, /, **arguments: Any) -> Any:
    """Load `function`, written "module:function"; call it with a subcommand's arguments, and return what it returns."""
    return load(function)(**arguments)
