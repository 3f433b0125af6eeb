"""How the process gives memory back to the operating system."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_LARGE: Final = 1024 * 1024
_SPARE: Final = 4 * 1024 * 1024


def trim_memory() -> None:
    """Give back what is free between the blocks that are in use, where the C library is glibc: about a millisecond."""
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def give_back_memory() -> None:
    """Have freed memory of large bodies given back at once, where the C library is glibc.

    By default glibc raises the size from which a block is mapped by itself to that of the largest block freed so far.
    Bodies of megabytes then come from the heap, which shrinks only at its end.
    """
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _SPARE)
