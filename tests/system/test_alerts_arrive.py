"""Faults in a real server: each fires its alert, which arrives at a webhook and is resolved once the fault is mended.

One Prometheus watches two pods by the chart's rules. A pace shortens every duration of the rules, and thresholds on
counts and seconds are lower, because nothing here lasts for hours.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from k8s.alerts import RUNBOOKS, rules
from k8s.local_monitoring.programs import free_port
from tests.monitoring.alertmanager import alertmanager
from tests.monitoring.prometheus import Target, prometheus, query
from tests.monitoring.webhook import Alert, Webhook, webhook
from tests.system.asking import PATIENCE
from tests.system.issuer import Issuer

pytestmark = pytest.mark.system

READY = "/v2/health/ready"
POD = "customer-risk-predictor-0"
OPEN, GUARDED = "local", "guarded"  # namespaces: of the pod that records, and of the pod that checks tokens
PACE, FAST = 60, 360  # a window of 5 minutes has 5 seconds; with FAST, one of 30 minutes has 5 seconds
MOST_BYTES = 50_000_000  # of the outbox
ALL = {rule["alert"] for group in rules()["groups"] for rule in group["rules"] if "alert" in rule}


def _groups(namespace: str, pace: int, **options: Any) -> list[dict[str, Any]]:
    """Return groups of rules under names that no other call returns."""
    groups = rules(namespace=namespace, pace=pace, **options)["groups"]
    return [group | {"name": f"{namespace} {pace} {group['name']}"} for group in groups]


def _alerts_alone(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the groups without recording rules: two groups that record one series would disagree."""
    return [group for group in groups if all("alert" in rule for rule in group["rules"])]


def _document() -> dict[str, Any]:
    """Return the rules of both pods."""
    # Alerts with a long window, and alerts without a window that would last for many scrapes.
    fast = {f"CustomerRisk{name}" for name in ("UnknownCategories", "NoTraffic", "ShipperAbsent", "RecordLag")}
    guarded = {"CustomerRiskTokensRefused", "CustomerRiskWorkersDie", "CustomerRiskNotReady"}
    # The burn over 6 hours would take half a minute to end; no share of errors exceeds this rate.
    changed = {"lagSeconds": 3, "categoryDecisions": 5, "unauthenticated": 10, "workerDeaths": 1, "burnPageSlow": 1000}
    some = {"thresholds": changed, "outbox_bytes": 1_250_000}
    return {
        "groups": [
            *_groups(OPEN, PACE, disabled=fast, **some),
            *_alerts_alone(_groups(OPEN, FAST, disabled=ALL - fast, **some)),
            *_groups(GUARDED, PACE, disabled=ALL - guarded, **some),
        ]
    }


class Callers(threading.Thread):
    """A thread that sends `document` again and again while `sending`; refusals and lost connections are no failures."""

    def __init__(self, url: str, document: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.url, self.document = url, document
        self.sending = threading.Event()
        self.over = threading.Event()
        self.sending.set()

    def end(self) -> None:
        """Stop, and wait for the last answer."""
        self.over.set()
        self.join()

    def run(self) -> None:
        """Send until the end."""
        with httpx2.Client(timeout=PATIENCE) as client:
            while not self.over.wait(0.02):
                if self.sending.is_set():
                    with contextlib.suppress(httpx2.TransportError):
                        client.post(f"{self.url}/ai/v1/risk", json=self.document)


@dataclass
class Watched:
    """The pods, their folder, and the webhook that receives their alerts."""

    folder: Path
    url: str
    callers: Callers
    start_shipper: Callable[[], subprocess.Popen[bytes]]
    shipper: subprocess.Popen[bytes]
    guarded: Any
    restart_guarded: Callable[[], Any]
    inbox: Webhook

    def quiet(self, *names: str) -> None:
        """Wait until no alert of these names fires."""
        deadline = time.monotonic() + PATIENCE
        while {each.name for each in self.inbox.firing().values()} & set(names):
            assert time.monotonic() < deadline, f"{names} fire before the fault"
            time.sleep(0.1)

    def arrives(self, name: str, severity: str, *, namespace: str = OPEN, **options: Any) -> Alert:
        """Wait for an alert; check the labels and annotations that each alert has; return it."""
        alert = self.inbox.wait_for(name, **options)
        expected = {"severity": severity, "release": "customer-risk", "namespace": namespace}
        assert alert.labels.items() >= expected.items()
        assert alert.annotations.keys() == {"summary", "description", "runbook_url"}
        assert alert.annotations["runbook_url"] == f"{RUNBOOKS}/{name}.md"
        return alert


def _settings(folder: Path, shipper_port: int) -> dict[str, Any]:
    """Return the settings of the pod that records; its shipper is a process of its own."""
    ship = {
        "embedded": False,
        "sinks": [{"type": "folder", "path": str(folder / "record")}],
        "batch_seconds": 0.2,
        "keep_seconds": 0,
        "metrics_port": shipper_port,
    }
    outbox = {"folder": str(folder / "outbox"), "most_bytes": MOST_BYTES, "file_bytes": 100_000}
    return {"record": {"enabled": True, **outbox, "ship": ship}, "jobs": {"enabled": False}}


@pytest.fixture(scope="module")
def watched(start, command, bundle, tmp_path_factory) -> Iterator[Watched]:
    """Two pods under Prometheus and Alertmanager, and callers of the one that records."""
    from tests import sound_request as requests

    folder = tmp_path_factory.mktemp("watched")
    shipper_port, issuer = free_port(), Issuer()
    (folder / "bundle").symlink_to(bundle)
    (folder / "serving.yaml").write_text(json.dumps(_settings(folder, shipper_port)))
    (folder / "jwks.json").write_text(issuer.jwks)
    auth = issuer.settings(str(folder / "jwks.json"))
    (folder / "guarded.yaml").write_text(
        json.dumps({"server": {"workers": 2}, "auth": auth, "jobs": {"enabled": False}})
    )
    server = start(command, folder / "bundle", "--config", str(folder / "serving.yaml"))
    guarded = start(command, bundle, "--config", str(folder / "guarded.yaml"))
    shippers: list[subprocess.Popen[bytes]] = []

    def start_shipper() -> subprocess.Popen[bytes]:
        with (folder / "shipper.log").open("ab") as log:
            shippers.append(
                subprocess.Popen([command, "ship", "--config", folder / "serving.yaml"], stderr=log, stdout=log)
            )
        return shippers[-1]

    def end_shippers() -> None:
        for each in shippers:
            each.kill()
            each.wait()

    def restart_guarded() -> Any:
        again = start(command, bundle, "--config", str(folder / "guarded.yaml"), "--port", str(guarded.port))
        again.port = guarded.port
        return again

    for each in (server, guarded):
        each.wait_for(READY)
    callers = Callers(f"http://127.0.0.1:{server.port}", requests.sound_request(range(10)))
    targets = [
        Target(f"127.0.0.1:{server.port}", OPEN, POD),
        Target(f"127.0.0.1:{shipper_port}", OPEN, POD),
        Target(f"127.0.0.1:{guarded.port}", GUARDED, POD),
    ]
    with (
        contextlib.ExitStack() as ends,
        webhook() as inbox,
        alertmanager(folder / "alertmanager", inbox.url) as alerts,
        prometheus(folder / "prometheus", targets, rules=_document(), alertmanager=alerts) as url,
    ):
        ends.callback(end_shippers)
        shipper = start_shipper()
        callers.start()
        ends.callback(callers.end)
        made = Watched(folder, callers.url, callers, start_shipper, shipper, guarded, restart_guarded, inbox)
        _until(lambda: len(query(url, "up == 1")) == len(targets))
        yield made


def _until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.1)


def test_rules_that_an_administrator_forced(watched) -> None:
    """A ticket says that rules answer; it is resolved once the administrator lets the model answer again."""
    watched.quiet("CustomerRiskRulesAnswer")

    def force(*, forced: bool) -> None:
        document = {"force": forced, "why": "planted"}
        httpx2.post(f"{watched.url}/ai/v1/admin/rules", json=document, timeout=PATIENCE).raise_for_status()

    force(forced=True)
    alert = watched.arrives("CustomerRiskRulesAnswer", "ticket")
    assert alert.annotations["summary"].startswith("Fallback rules decide instead of the model: 100%")
    force(forced=False)
    watched.inbox.wait_until_resolved("CustomerRiskRulesAnswer")


def test_an_unknown_category_of_a_caller(watched) -> None:
    """A ticket names the field; it is resolved once callers send known values again."""
    watched.quiet("CustomerRiskUnknownCategories")
    sound = watched.callers.document
    watched.callers.document = sound | {"profile": sound["profile"] | {"occupation": "ASTRONAUTS"}}
    alert = watched.arrives("CustomerRiskUnknownCategories", "ticket")
    assert alert.labels["field"] == "occupation"
    assert "an unknown category in field occupation" in alert.annotations["summary"]
    watched.callers.document = sound
    watched.inbox.wait_until_resolved("CustomerRiskUnknownCategories")


def test_a_broken_bundle_that_was_put_in_place(watched, bundle) -> None:
    """A ticket says that the pod refused a bundle; it is resolved some time after the former bundle is back."""
    watched.quiet("CustomerRiskReloadRefused")
    broken = watched.folder / "broken"
    broken.mkdir()
    for path in bundle.iterdir():
        (broken / path.name).write_bytes(b"{}" if path.name == "trees.json" else path.read_bytes())
    _point(watched.folder / "bundle", broken)
    alert = watched.arrives("CustomerRiskReloadRefused", "ticket")
    assert alert.labels["pod"] == POD
    assert alert.annotations["summary"].startswith(f"Pod {POD} refused a bundle")
    _point(watched.folder / "bundle", bundle)
    watched.inbox.wait_until_resolved("CustomerRiskReloadRefused")


def _point(link: Path, folder: Path) -> None:
    beside = link.with_name("next")
    beside.symlink_to(folder)
    beside.replace(link)


def test_callers_that_send_nothing(watched) -> None:
    """A page says that no request arrives although the pods run; it is resolved by traffic."""
    watched.quiet("CustomerRiskNoTraffic")
    watched.callers.sending.clear()
    alert = watched.arrives("CustomerRiskNoTraffic", "page")
    assert alert.annotations["summary"].startswith("The service answers 0 requests a second")
    watched.callers.sending.set()
    watched.inbox.wait_until_resolved("CustomerRiskNoTraffic")


def test_strangers_that_try_tokens(watched) -> None:
    """A ticket says how many requests had no valid token; it is resolved once they stop."""
    watched.quiet("CustomerRiskTokensRefused")
    stranger = {"authorization": f"Bearer {Issuer().token('stranger', 'score')}"}
    url = f"http://127.0.0.1:{watched.guarded.port}/ai/v1/risk"

    def tries() -> None:
        for _ in range(50):
            assert httpx2.post(url, json={}, headers=stranger, timeout=PATIENCE).status_code == 401

    alert = watched.arrives("CustomerRiskTokensRefused", "ticket", namespace=GUARDED, again=tries)
    assert "requests had no valid token" in alert.annotations["summary"]
    watched.inbox.wait_until_resolved("CustomerRiskTokensRefused")


def test_workers_that_are_killed(watched) -> None:
    """A ticket says how many workers died; it is resolved once they live."""
    watched.quiet("CustomerRiskWorkersDie")
    supervisor = watched.guarded.process.pid
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children")

    def kill_one() -> None:
        for worker in children.read_text().split()[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(worker), signal.SIGKILL)

    alert = watched.arrives("CustomerRiskWorkersDie", "ticket", namespace=GUARDED, again=kill_one)
    assert f"workers of pod {POD} died" in alert.annotations["summary"]
    watched.guarded.wait_for(READY)
    watched.inbox.wait_until_resolved("CustomerRiskWorkersDie")


def test_a_pod_that_is_gone(watched) -> None:
    """A page says that no pod is ready; it is resolved once the pod runs again."""
    watched.quiet("CustomerRiskNotReady")
    watched.guarded.process.kill()
    watched.guarded.process.wait()
    alert = watched.arrives("CustomerRiskNotReady", "page", namespace=GUARDED)
    assert alert.annotations["summary"].startswith("No pod is ready")
    watched.guarded = watched.restart_guarded()
    watched.guarded.wait_for(READY)
    watched.inbox.wait_until_resolved("CustomerRiskNotReady")


def test_a_shipper_that_is_killed(watched) -> None:
    """A page says that the shipper exports nothing; it is resolved once a shipper runs again."""
    watched.quiet("CustomerRiskShipperAbsent")
    watched.shipper.send_signal(signal.SIGKILL)
    watched.shipper.wait()
    alert = watched.arrives("CustomerRiskShipperAbsent", "page")
    assert alert.labels["pod"] == POD
    watched.shipper = watched.start_shipper()
    watched.inbox.wait_until_resolved("CustomerRiskShipperAbsent")


def test_a_sink_that_is_away(watched) -> None:
    """A ticket names the sink that is behind, and a page the outbox that fills; both are resolved by the sink."""
    names = ("CustomerRiskRecordLag", "CustomerRiskOutboxFilling")
    watched.quiet(*names)
    sink, aside = watched.folder / "record", watched.folder / "aside"
    sink.rename(aside)
    sink.write_bytes(b"")
    lag = watched.arrives("CustomerRiskRecordLag", "ticket")
    assert lag.labels["sink"] == "folder"
    assert lag.annotations["summary"].startswith(f"Sink folder of pod {POD} is ")
    filling = watched.arrives("CustomerRiskOutboxFilling", "page")
    assert filling.annotations["summary"].startswith(f"The outbox of pod {POD} has ")
    sink.unlink()
    aside.rename(sink)
    for name in names:
        watched.inbox.wait_until_resolved(name)


def test_an_outbox_that_is_full(watched) -> None:
    """Pages say that decisions can't be recorded and that answers are errors; all are resolved once there is room."""
    expected = {
        "CustomerRiskRecordFailing": f"Pod {POD} can't record decisions",
        "CustomerRiskErrors": "of the answers are errors. Look at",
        "CustomerRiskAvailabilityBurn": "of the answers are errors; the month's error budget",
        "CustomerRiskNotReady": "No pod is ready",
    }
    watched.quiet(*expected)
    filler = watched.folder / "outbox" / "filler"
    with filler.open("wb") as file:
        file.truncate(MOST_BYTES)
    for name, said in expected.items():
        assert said in watched.arrives(name, "page").annotations["summary"]
    filler.unlink()
    for name in expected:
        watched.inbox.wait_until_resolved(name)
