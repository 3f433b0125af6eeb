"""Compiles functions with Numba for a level of the CPU architecture, and caches the code on the disk.

The level is one that all machines of a cluster have, so code that is cached when an image is built is valid on each of
them. The cache is also used if its folder is read-only.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from llvmlite import binding  # type: ignore[import-untyped]  # it ships no types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, InTreeCacheLocator, UserProvidedCacheLocator

from customer_risk.model.errors import ConfigError

VARIABLE: Final = "CUSTOMER_RISK_CPU"
LEVEL: Final = "x86-64-v3"  # every server CPU since about 2015: AVX2 and fused multiply-add
NATIVE: Final = "native"
GENERIC: Final = "generic"
_LEVEL_NEEDS: Final = (
    *("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16", "avx", "avx2", "bmi", "bmi2", "f16c", "fma"),
    *("lzcnt", "movbe", "xsave"),
)

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass
class Counts:
    """How many functions this process loaded from the disk, compiled, and could not store after compiling."""

    loaded: int = 0
    compiled: int = 0
    lost: int = 0


counts: Final = Counts()
_counting: Final = threading.Lock()


def compile_kept(function: Function, signature: Any = None, **options: Any) -> Function:
    """Compile on the first call, or at once for a `signature`; load the code from the disk if it is cached.

    `options` are those of numba.njit. With NUMBA_DISABLE_JIT=1 the function is not compiled. Raises ConfigError as
    `target` does.
    """
    target()
    dispatcher = numba.njit(**options)(function)
    if numba.config.DISABLE_JIT:
        return cast("Function", dispatcher)
    with contextlib.suppress(RuntimeError):  # the function has no source file: it is compiled for this process only
        dispatcher._cache = _Kept(function)  # noqa: SLF001  as `cache=True` does, with our cache class
    if signature is not None:
        dispatcher.compile(signature)
        dispatcher.disable_compile()
    return cast("Function", dispatcher)


def sources_digest(*folders: Path) -> str:
    """Return the sha256, in hex, of all Python sources below the folders.

    Numba keys its cache by the entry's source file alone, and doesn't detect a change in a function that the entry
    calls. An entry with this digest in its closure gets another key when any of these sources changes.
    """
    sources = [source for folder in folders for source in sorted(folder.rglob("*.py"))]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


@functools.cache
def target() -> str:
    """Return the CPU level to compile for, and set it in Numba, once, before the first function is compiled.

    The variable CUSTOMER_RISK_CPU names it: "x86-64-v3" (the default if the CPU has it), "generic" (any CPU of this
    architecture; the default otherwise) or "native" (this CPU, or what Numba's own variables name). Raises ConfigError
    for another value, and for a level that this CPU lacks, since the code would crash the process.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted == NATIVE:
        return NATIVE
    if wanted not in {"", LEVEL, GENERIC}:
        raise ConfigError(
            f"{VARIABLE} is {wanted!r}, which is not a known CPU level.",
            remedy=f"Set it to {LEVEL}, {GENERIC} or {NATIVE}, or leave it unset.",
        )
    lacking = _lacking()
    if wanted == LEVEL and lacking:
        raise ConfigError(
            f"{VARIABLE} is {LEVEL}, and this CPU lacks {', '.join(lacking)}.", remedy=f"Set it to {GENERIC}."
        )
    chosen = GENERIC if lacking else wanted or LEVEL
    # In the environment, because Numba reads it again at each compilation, and child processes inherit it.
    os.environ["NUMBA_CPU_NAME"], os.environ["NUMBA_CPU_FEATURES"] = chosen, ""
    numba.core.config.reload_config()
    return chosen


def _lacking() -> list[str]:
    """Return the CPU features of the level that this CPU lacks."""
    if not str(binding.get_process_triple()).startswith("x86_64"):
        return [LEVEL]
    features = binding.get_host_cpu_features()
    return [name for name in _LEVEL_NEEDS if not features.get(name)]


class _InTree(InTreeCacheLocator):  # type: ignore[misc]  # Numba ships no types
    """Caches beside the source, if the folder is writable or already has a cache."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _InTree | None:
        """Return the locator; None for a function without a source file."""
        if not Path(py_file).exists():
            return None
        found: _InTree = cls(py_func, py_file)
        try:
            found.ensure_cache_path()
        except OSError:
            return found if Path(found.get_cache_path()).is_dir() else None
        return found


class _Places(CompileResultCacheImpl):  # type: ignore[misc]  # Numba ships no types
    _locator_classes = (UserProvidedCacheLocator, _InTree)


class _Kept(FunctionCache):  # type: ignore[misc]  # Numba ships no types
    """Numba's cache of one function. It counts loads and compilations, and ignores unusable files."""

    _impl_class = _Places

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = None
        with contextlib.suppress(OSError):
            found = super().load_overload(sig, target_context)
        with _counting:
            if found is None:
                counts.compiled += 1
            else:
                counts.loaded += 1
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:  # a read-only or full disk: it will have to be compiled again
            with _counting:
                counts.lost += 1
