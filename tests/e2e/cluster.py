"""The cluster that KUBECONFIG names, through kubectl."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
NAMESPACE = "customer-risk-e2e"
PATIENCE = 600  # seconds after which a test gives up, on slow machines too


def kubectl(*arguments: str, given: str | None = None, namespace: str | None = NAMESPACE) -> str:
    """Run kubectl; raises AssertionError with its error message if it fails."""
    where = ("--namespace", namespace) if namespace else ()
    program = os.environ.get("KUBECTL") or shutil.which("kubectl")
    assert program, "there is no kubectl: install it, or name it in KUBECTL"
    done = subprocess.run([program, *where, *arguments], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def apply(*documents: dict[str, Any], namespace: str | None = NAMESPACE) -> None:
    """Create or change objects."""
    kubectl("apply", "-f", "-", given=yaml.safe_dump_all(documents), namespace=namespace)


def get(*arguments: str) -> Any:
    """Return objects, decoded."""
    return json.loads(kubectl("get", *arguments, "--output", "json"))


def until(holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)


def start_seconds(pods: list[dict[str, Any]]) -> float:
    """Return the longest time, in seconds, from scheduled to ready among these pods. All of them must be ready."""

    def since(pod: dict[str, Any], condition: str) -> datetime:
        (found,) = (each for each in pod["status"]["conditions"] if each["type"] == condition)
        return datetime.fromisoformat(found["lastTransitionTime"])

    return max((since(pod, "Ready") - since(pod, "PodScheduled")).total_seconds() for pod in pods)


@contextmanager
def forwarded(target: str, *ports: int) -> Iterator[list[int]]:
    """Forward the given local ports to a pod or Service during the context."""
    program = os.environ.get("KUBECTL") or shutil.which("kubectl") or "kubectl"
    here = [_free_port() for _ in ports]
    pairs = [f"{mine}:{its}" for mine, its in zip(here, ports, strict=True)]
    command = [program, "--namespace", NAMESPACE, "port-forward", target, *pairs]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until(lambda: all(_open(port) for port in here), f"{target} is forwarded")
        yield here
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except OSError:
        return False
    return True
