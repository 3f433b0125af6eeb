"""How the kernel's functions are compiled: without Python's lock, and to the letter of IEEE arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

from customer_risk.model.compilation import target

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile as part of whatever compiled function calls it; only the kernel's entry is kept on disk.

    The error model spares a check at each division (those that could meet a 0 are guarded). Going without wrappers
    spares a third of the time to compile: nothing but compiled code calls these. Inlined by force, for handing a
    function the words of all of the workspace's arrays costs more than many a function's work: a fifth of the whole.
    """
    target()
    jitted: Function = numba.njit(
        nogil=True,
        fastmath=False,
        error_model="numpy",
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        forceinline=True,
    )(function)
    return jitted
