"""The objects that `kubectl apply -k` would send."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from tests.chart.extract import go

ROOT: Final = Path(__file__).parent.parent.parent
VERSION: Final = "v5.5.0"


def build(folder: str) -> list[dict[str, Any]]:
    """Build a kustomization with kubectl; without kubectl, with kustomize, which is built first (about a minute)."""
    told = subprocess.run([*_command(), ROOT / folder], capture_output=True, check=True, text=True)
    return [each for each in yaml.safe_load_all(told.stdout) if each]


def kubectl() -> str | None:
    """Return the path of kubectl: $KUBECTL, or the one on the PATH."""
    return os.environ.get("KUBECTL") or shutil.which("kubectl")


def _command() -> list[str]:
    if program := kubectl():
        return [program, "kustomize"]
    target = ROOT / "build/bin"
    if found := shutil.which("kustomize", path=f"{os.environ['PATH']}{os.pathsep}{target}"):
        return [found, "build"]
    target.mkdir(parents=True, exist_ok=True)
    command = [go(), "install", "-trimpath", f"sigs.k8s.io/kustomize/kustomize/v5@{VERSION}"]
    subprocess.run(command, env=os.environ | {"GOBIN": str(target)}, check=True)
    return [str(target / "kustomize"), "build"]
