"""Returning freed memory to the operating system."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_LARGE: Final = 1024 * 1024
_SPARE: Final = 4 * 1024 * 1024


def trim_memory() -> None:
    """Return free memory between used blocks to the operating system, if the C library is glibc; takes about 1 ms."""
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def give_back_memory() -> None:
    """Make glibc return the memory of a large body to the operating system as soon as it is freed.

    By default glibc raises its mmap threshold to the size of the largest mapped block freed so far. Bodies of megabytes
    are then allocated on the heap, which shrinks only at its end.
    """
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _SPARE)
