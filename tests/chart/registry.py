"""An OCI registry on this machine's loopback address, for the chart's package."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.chart.helm import ROOT, install

CRANE: Final = "github.com/google/go-containerregistry/cmd/crane@v0.22.1"


@contextmanager
def registry() -> Iterator[str]:
    """Run a registry that stores everything in memory; yield its address. Go builds it if it is missing (minutes)."""
    command = [install(CRANE), "registry", "serve", "--address", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if found := re.search(r"serving on port (\d+)", line):
                    yield f"127.0.0.1:{found[1]}"
                    return
            raise AssertionError("the registry ended before it printed its port")
        finally:
            process.terminate()


def push(helm: str, address: str) -> Path:
    """Package the chart and push it to a registry; return the package."""
    package = Path(
        subprocess.run(["scripts/chart/package"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    )
    command = [helm, "push", ROOT / package, f"oci://{address}/charts", "--plain-http"]
    subprocess.run(command, check=True, capture_output=True)
    return ROOT / package
