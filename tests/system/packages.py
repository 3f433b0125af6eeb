"""Programs of the machine for system tests; a missing program is installed, or the test fails."""

from __future__ import annotations

import pytest

from benchmarks.serving import packages


def ensure(program: str, package: str | None = None) -> str:
    """Return the path of a program; install its Debian package if it is missing, or fail the test."""
    try:
        return packages.ensure(program, package)
    except packages.ProgramMissing as missing:
        pytest.fail(str(missing))
