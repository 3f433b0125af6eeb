"""`scripts/alert-demo`: every fault, what it refuses, and its end by Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from k8s.local_monitoring.demo import FAULTS
from tests.monitoring import packages
from tests.system.asking import PATIENCE

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def demo(tmp_path, bundle, sound_request) -> Path:
    """The files of `make demo` that the script needs."""
    for program in ("prometheus", "prometheus-alertmanager"):
        packages.ensure(program)
    folder = tmp_path / "a demo"
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "bundle").symlink_to(bundle)
    (folder / "request.json").write_text(json.dumps(sound_request))
    return folder


def _begin(demo: Path, out: Path, **more: str) -> subprocess.Popen[str]:
    """Start the script in a session of its own, as a terminal does."""
    surroundings = os.environ | {"DEMO": str(demo)} | more
    command = [ROOT / "scripts/alert-demo", "--out", out]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=surroundings, start_new_session=True, **pipes)


def _processes(folder: Path) -> list[str]:
    """Return the commands of all processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if str(folder) in command:
            found.append(command)
    return found


def test_every_fault_fires_its_alert_and_is_mended(demo, tmp_path) -> None:
    """The output has the alert with its severity, summary and runbook, and its end; no process remains."""
    running = {name: _begin(demo, tmp_path / name, FAULT=name) for name in FAULTS}
    for name, process in running.items():
        said, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said + errors
        assert errors == ""
        lines = said.splitlines()
        assert len(lines) <= 40
        alert = FAULTS[name].alert
        for pattern in (
            f"  alert:    {alert}",
            "  summary:  .+",
            "  severity: (page|ticket)",
            rf"  runbook:  https://.+/{alert}\.md",
            rf"\d+ s later, the webhook received: {alert} is resolved",
        ):
            assert [line for line in lines if re.fullmatch(pattern, line)], said
    for name in FAULTS:
        assert _processes(tmp_path / name) == []


def test_ctrl_c_ends_every_process(demo, tmp_path) -> None:
    """After Ctrl-C while the alert is awaited, the exit code is 130 and no process remains."""
    out = tmp_path / "out"
    process = _begin(demo, out)
    while line := process.stdout.readline():
        if line.startswith("Prometheus: "):
            break
    assert [each for each in _processes(out) if "prometheus.yaml" in each]
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (130, "")
    deadline = time.monotonic() + PATIENCE
    while _processes(out):  # a server's shipper ends after the server
        assert time.monotonic() < deadline, _processes(out)
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"DEMO": "nowhere"}, "error: nowhere/run/bundle does not exist. Run `make demo` first."),
        ({"FAULT": "nothing"}, "FAULT=nothing is not a fault. Choose one of server, bundle, rules, traffic."),
    ],
)
def test_what_the_demo_cannot_use_is_refused(demo, tmp_path, given, said) -> None:
    """A missing demo and an unknown fault are refused with the exit code 2."""
    process = _begin(demo, tmp_path / "out", **given)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (2, "")
    assert said in errors


def test_without_prometheus_the_demo_names_the_package(demo, tmp_path) -> None:
    """Without Prometheus on the PATH, the demo installs nothing: it prints one line with the command, and ends."""
    command = [sys.executable, "-m", "k8s.local_monitoring.demo", "--demo", demo, "--out", tmp_path / "out"]
    surroundings = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run(
        command, env=surroundings, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: prometheus is not on the PATH. Install it: apt-get install prometheus\n"
