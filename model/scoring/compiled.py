"""How this package compiles: to machine code on first use, kept beside the module, free of the GIL, exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile `function` when it is first called (with NUMBA_DISABLE_JIT=1: leave it as it is).

    No fast-math: additions keep their order, so that one row alone and in a batch gives the same bits.
    """
    return cast("Function", numba.njit(cache=True, nogil=True, error_model="numpy")(function))
