"""Programs of the machine that a measurement or a system test needs, from the distribution's own packages."""

from __future__ import annotations

import os
import shutil
import subprocess


class ProgramMissing(Exception):
    """A program isn't there and couldn't be installed; the message says what to do."""


def ensure(program: str, package: str | None = None) -> str:
    """Give the path of `program`, installing its Debian `package` (of the same name by default) where it is absent.

    Raises ProgramMissing where there is no apt-get, no right to use it, or no such package.
    """
    found = shutil.which(program)
    if found:
        return found
    package = package or program
    apt, say = (
        shutil.which("apt-get"),
        f"{program} isn't installed: install the package {package} (apt-get install {package})",
    )
    if apt is None:
        raise ProgramMissing(f"{say}; this machine has no apt-get.")
    if os.geteuid() != 0:
        raise ProgramMissing(f"{say}; doing so here needs root.")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    outcome = None
    # The lists of packages are often absent from an image: fetched only where the first try fails.
    for arguments in (["install"], ["update"], ["install"]):
        extra = ["--yes", "--no-install-recommends", package] if arguments == ["install"] else []
        outcome = subprocess.run(  # noqa: S603  our own words
            [apt, *arguments, "-qq", *extra], env=environment, capture_output=True, text=True, check=False
        )
        if found := shutil.which(program):
            return found
    last = (outcome.stderr.strip().splitlines() or ["no reason given"])[-1] if outcome else "not tried"
    raise ProgramMissing(f"{say}; apt-get failed: {last}")
