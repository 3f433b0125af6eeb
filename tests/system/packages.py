"""Programs of the machine for system tests: installed where absent, a failure where they can't be."""

from __future__ import annotations

import pytest

from benchmarks.serving import packages


def ensure(program: str, package: str | None = None) -> str:
    """Give the path of a program, installing its Debian package where it is absent; fails the test where it can't."""
    try:
        return packages.ensure(program, package)
    except packages.ProgramMissing as missing:
        pytest.fail(str(missing))
