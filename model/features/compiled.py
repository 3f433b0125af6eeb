"""How the kernel's functions are compiled: without Python's lock, and to the letter of IEEE arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile as part of whatever compiled function calls it; only the kernel's entry is kept on disk."""
    jitted: Function = numba.njit(nogil=True, fastmath=False)(function)
    return jitted
