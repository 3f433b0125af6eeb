"""How this package compiles: on first use, kept on the disk, without Python's lock, to the letter of IEEE."""

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
    Where nothing can be kept (a read-only disk), it is compiled for the process alone.
    """
    return compile_kept(function, nogil=True, error_model="numpy")
