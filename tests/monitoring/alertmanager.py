"""Alertmanager and amtool for tests, from Debian's package, which is unpacked if it is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from k8s.local_monitoring import alertmanager as local
from k8s.local_monitoring.programs import PATIENCE
from tests.monitoring import packages

__all__ = ["alertmanager", "amtool"]


@contextmanager
def alertmanager(folder: Path, webhook: str) -> Iterator[str]:
    """Run Alertmanager during the context; yield its URL. It sends each alert to `webhook` at once."""
    packages.ensure("prometheus-alertmanager")
    with local.alertmanager(folder, webhook) as url:
        yield url


def amtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run amtool; return its exit code and output."""
    command = [packages.ensure("amtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
