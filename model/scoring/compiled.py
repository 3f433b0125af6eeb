"""Compilation of functions: on first use, cached on the disk, without Python's lock, with strict IEEE arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from customer_risk.model.compilation import compile_kept, counts, target

__all__ = ["compiled", "counts", "target"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile `function` when it is first called (with NUMBA_DISABLE_JIT=1: leave it as it is).

    No fast-math: additions keep their order, so that a row alone and in a batch gives the same bits. Compiled code is
    kept by the file of the function alone, so a compiled function calls only compiled functions of its own module.
    If nothing can be stored (a read-only disk), it is compiled for the process only.
    """
    return compile_kept(function, nogil=True, error_model="numpy")
