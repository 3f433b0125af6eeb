"""Breaks a real server and shows its alert arrive and end: `make alert`, or `make alert FAULT=NAME`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2

from customer_risk.model.terminal import echo
from k8s.alerts import rules
from k8s.local_monitoring.alertmanager import alertmanager
from k8s.local_monitoring.programs import PATIENCE, ProgramEnded, ProgramMissing, find, free_port, running
from k8s.local_monitoring.prometheus import prometheus
from k8s.local_monitoring.webhook import webhook

ROOT: Final = Path(__file__).parent.parent.parent
PACE: Final = 60  # the rules' minutes are seconds here


class Unusable(Exception):
    """The demo can't run; the message says what to do."""


class Fault(NamedTuple):
    """A fault, the alert that it fires, and what breaks and mends the server."""

    alert: str
    breaks: str
    begin: Callable[[Pod], object]
    mends: str
    end: Callable[[Pod], object]


class Pod:
    """A server with the demo's bundle, and callers that send it the demo's request."""

    def __init__(self, demo: Path, folder: Path) -> None:
        self.folder, self.bundle, self.link = folder, demo / "run" / "bundle", folder / "bundle"
        self.port, self.shipper_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.point(self.bundle)
        ship = {"sinks": [{"type": "folder", "path": str(folder / "record")}], "metrics_port": self.shipper_port}
        settings = {"record": {"enabled": True, "folder": str(folder / "outbox"), "ship": ship}}
        (folder / "serving.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML too
        self._body = (demo / "request.json").read_bytes()
        self.calls = threading.Event()
        self._over = threading.Event()
        self._server = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start the server, and wait until it is ready."""
        command = [str(Path(sys.executable).with_name("customer-risk")), "serve", str(self.link)]
        options = ["--port", str(self.port), "--config", str(self.folder / "serving.yaml")]
        ready = f"{self.url}/v2/health/ready"
        self._process = self._server.enter_context(running([*command, *options], self.folder / "server.log", ready))

    def kill(self) -> None:
        """Kill the server, as a machine that fails does."""
        self._process.kill()
        self._process.wait()
        self._server.close()

    def end(self) -> None:
        """Stop the server and the callers."""
        self._over.set()
        self._server.close()

    def point(self, bundle: Path) -> None:
        """Make the server's link point to a bundle, at once."""
        beside = self.link.with_name("next")
        beside.symlink_to(bundle.absolute())
        beside.replace(self.link)

    def put_broken_bundle(self) -> None:
        """Put a bundle in place whose trees were altered."""
        broken = self.folder / "broken"
        shutil.copytree(self.bundle, broken)
        (broken / "trees.json").write_bytes(b"{}")
        self.point(broken)

    def force_rules(self, *, forced: bool) -> None:
        """Replace the model by rules as an administrator does, or let the model answer again."""
        document = {"force": forced, "why": "the alert demo"}
        httpx2.post(f"{self.url}/ai/v1/admin/rules", json=document, timeout=PATIENCE).raise_for_status()

    def call(self) -> None:
        """Send a request again and again while `calls` is set, until the end."""
        headers = {"content-type": "application/json"}
        with httpx2.Client(timeout=PATIENCE) as client:
            while not self._over.wait(0.1):
                if self.calls.is_set():
                    with contextlib.suppress(httpx2.TransportError):
                        client.post(f"{self.url}/ai/v1/risk", content=self._body, headers=headers)


FAULTS: Final = {
    "server": Fault(
        "CustomerRiskNotReady", "Kill the only server.", Pod.kill, "Start the server again.", lambda pod: pod.start()
    ),
    "bundle": Fault(
        "CustomerRiskReloadRefused",
        "Put a bundle in place whose trees were altered.",
        Pod.put_broken_bundle,
        "Put the former bundle back.",
        lambda pod: pod.point(pod.bundle),
    ),
    "rules": Fault(
        "CustomerRiskRulesAnswer",
        "Let rules answer instead of the model, as an administrator can.",
        lambda pod: pod.force_rules(forced=True),
        "Let the model answer again.",
        lambda pod: pod.force_rules(forced=False),
    ),
    "traffic": Fault(
        "CustomerRiskNoTraffic",
        "Stop all callers.",
        lambda pod: pod.calls.clear(),
        "Let the callers send requests again.",
        lambda pod: pod.calls.set(),
    ),
}


def show(fault: Fault, demo: Path, folder: Path, say: Callable[[str], object]) -> None:
    """Break a server, and say when the alert arrives and when it is resolved.

    `demo` has the files of `make demo`. `folder` is emptied first. Raises Unusable, ProgramMissing or ProgramEnded.
    """
    for program in ("prometheus", "prometheus-alertmanager"):
        find(program)
    for needed in ("run/bundle", "request.json"):
        if not (demo / needed).exists():
            raise Unusable(f"{demo / needed} does not exist. Run `make demo` first.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.monotonic()

    def step(text: str) -> None:
        say(f"\n{text}  (after {time.monotonic() - began:.0f} s)")

    with contextlib.ExitStack() as ends:
        step("1. Start a server with the demo's bundle, and callers")
        pod = Pod(demo, folder)
        ends.callback(pod.end)
        pod.start()
        threading.Thread(target=pod.call, daemon=True).start()
        pod.calls.set()
        say(f"the server answers at {pod.url}")
        step(f"2. Start Prometheus and Alertmanager with the chart's alerts, {PACE} times as fast")
        inbox = ends.enter_context(webhook())
        manager = ends.enter_context(alertmanager(folder / "alertmanager", inbox.url))
        document = rules(pace=PACE)
        targets = [f"127.0.0.1:{pod.port}", f"127.0.0.1:{pod.shipper_port}"]
        url = ends.enter_context(prometheus(folder / "prometheus", targets, document, manager))
        say(f"Prometheus: {url}/alerts  Alertmanager: {manager}  webhook: {inbox.url}")
        _wait_until_quiet(url, len(targets))
        step(f"3. {fault.breaks}")
        broken = time.monotonic()
        fault.begin(pod)
        alert = inbox.wait_for(fault.alert)
        say(f"{time.monotonic() - broken:.0f} s later, the webhook received:")
        shown = {"severity": alert.labels["severity"], "runbook": alert.annotations["runbook_url"]}
        for name, text in {"alert": alert.name, "summary": alert.annotations["summary"], **shown}.items():
            say(f"  {name + ':':9} {text}")
        step(f"4. {fault.mends}")
        mended = time.monotonic()
        fault.end(pod)
        inbox.wait_until_resolved(fault.alert)
        say(f"{time.monotonic() - mended:.0f} s later, the webhook received: {fault.alert} is resolved")
        step("Done. Prometheus, Alertmanager and the server end.")
    say(f"Logs are in {folder}. Other faults: " + ", ".join(f"make alert FAULT={name}" for name in FAULTS))


def _wait_until_quiet(prometheus_url: str, targets: int) -> None:
    """Wait until Prometheus has scraped every target, counts traffic, and has no alert."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        scraped = _query(prometheus_url, "up == 1")
        traffic = _query(prometheus_url, "customer_risk:responses:rate5m > 0")
        if len(scraped) == targets and traffic and not _query(prometheus_url, "ALERTS"):
            return
        time.sleep(0.2)
    raise ProgramEnded(f"Prometheus at {prometheus_url} scrapes no traffic, or an alert fires before the fault")


def _query(url: str, expression: str) -> list[Any]:
    answer = httpx2.get(f"{url}/api/v1/query", params={"query": expression}, timeout=PATIENCE)
    answer.raise_for_status()
    return list(answer.json()["data"]["result"])


@contextlib.contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """End by SystemExit on SIGTERM, so that the child processes end too."""
    former = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def main() -> int:
    """Run the demo; return its exit code: 2 if it can't run, 1 if a program or an alert fails."""
    parser = argparse.ArgumentParser(prog="scripts/alert-demo", description=__doc__)
    parser.add_argument("--fault", choices=FAULTS, default=os.environ.get("FAULT") or "server")
    parser.add_argument("--demo", type=Path, default=Path(os.environ.get("DEMO") or "build/demo"))
    parser.add_argument("--out", type=Path, default=Path("build/alert-demo"), help="folder of the logs, emptied first")
    asked = parser.parse_args()
    if asked.fault not in FAULTS:  # argparse doesn't check a default
        parser.error(f"FAULT={asked.fault} is not a fault. Choose one of {', '.join(FAULTS)}.")
    try:
        with _ending_on_sigterm():
            show(FAULTS[asked.fault], asked.demo, asked.out, echo)
    except (Unusable, ProgramMissing) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except (ProgramEnded, TimeoutError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
