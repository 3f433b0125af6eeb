"""Prometheus and promtool for tests, from Debian's package, which is unpacked if it is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from k8s.local_monitoring import prometheus as local
from k8s.local_monitoring.programs import PATIENCE
from k8s.local_monitoring.prometheus import Target
from tests.monitoring import packages

__all__ = ["Target", "prometheus", "promtool", "query"]


@contextmanager
def prometheus(folder: Path, targets: list[str | Target], **options: Any) -> Iterator[str]:
    """Run Prometheus during the context; yield its URL. The options are those of `k8s.local_monitoring`."""
    packages.ensure("prometheus")
    with local.prometheus(folder, targets, **options) as url:
        yield url


def promtool(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool; return its exit code and output."""
    command = [packages.ensure("promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=cwd)


def query(url: str, expression: str) -> list[dict[str, Any]]:
    """Return the series that an instant query finds, each with its labels `metric` and its `value`."""
    answer = httpx2.get(f"{url}/api/v1/query", params={"query": expression}, timeout=PATIENCE)
    answer.raise_for_status()
    return list(answer.json()["data"]["result"])
