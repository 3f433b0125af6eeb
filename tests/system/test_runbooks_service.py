"""The runbooks of errors, latency, traffic, pods and bundles: each page's commands while the fault is present."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system.asking import PATIENCE, ask
from tests.system.runbook_pages import Site, commands, released

pytestmark = pytest.mark.system

CROWD = 24  # connections that send at one time
LONG = 4000  # transactions of each request: all together take longer than 50 ms on every machine


@pytest.fixture
def watch(start, tmp_path):
    """Return a context of a server of a bundle, with options and settings, and of Prometheus; it yields the release."""
    return lambda bundle, *options, **settings: released(start, bundle, tmp_path, *options, **settings)


def test_the_pages_of_errors(watch, bundle, sound_request, tmp_path) -> None:
    """While the outbox is a file, requests fail: the pages show share, codes, kinds and pods; before, no line."""
    pages = ("CustomerRiskErrors", "CustomerRiskAvailabilityBurn", "CustomerRiskAvailabilityBurnSlow")
    with watch(bundle, record={"enabled": True, "folder": str(tmp_path / "outbox")}) as site:
        for page in pages:
            site.over(page, 1, 2, 3)
        site.until("customer_risk_requests_total{route='/ai/v1/risk'} == 0")
        site.outbox.rename(tmp_path / "aside")
        site.outbox.write_bytes(b"")
        _answered(site, sound_request, 503)
        for page in pages:
            site.check(page)
        site.check("playbooks/errors-after-a-release")


def _answered(site: Site, request: object, status: int, headers: dict[str, str] | None = None) -> None:
    """Send requests until one is answered with a status, and four more."""
    deadline, found = time.monotonic() + PATIENCE, 0
    while found < 5:
        response = ask("POST", f"{site.variables['URL']}/ai/v1/risk", json=request, headers=headers or {})
        found += response.status_code == status
        assert time.monotonic() < deadline, response.text


def test_the_pages_of_latency(watch, bundle, sound_request) -> None:
    """While many long histories arrive at one time, the pages show slow answers, waiting and load; before, no line."""
    pages = ("CustomerRiskLatencyBurn", "CustomerRiskLatencyBurnSlow", "CustomerRiskSlow")
    with watch(bundle, server={"most_wait_ms": 600_000}) as site:
        for page in pages:
            site.over(page, 1)
        deadline = time.monotonic() + PATIENCE
        while not all(_shown(site, page, 1) for page in pages) or not _shown(site, pages[0], 2):
            assert time.monotonic() < deadline
            _crowd(site, sound_request)
        for page in pages:
            site.check(page)
        site.check("playbooks/latency-tripled")


def _shown(site: Site, page: str, number: int) -> bool:
    """Whether a first command of a page prints anything."""
    return bool(site.run(commands(page)[number - 1]).strip())


def _crowd(site: Site, request: dict[str, Any]) -> None:
    """Send a request on each of many connections at one time, and read the answers."""
    transactions = request["transactions"]
    long = [transactions[i % len(transactions)] | {"id": f"t-{i}"} for i in range(LONG)]
    body = json.dumps(request | {"transactions": long}).encode()
    head = "POST /ai/v1/risk HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    port = int(site.variables["URL"].rpartition(":")[2])
    crowd = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(CROWD)]
    for each in crowd:
        each.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    for each in crowd:
        while each.recv(65536):
            pass
        each.close()


def test_the_page_of_no_traffic(watch, bundle, sound_request) -> None:
    """A server without requests is shown as ready and without traffic; with requests, the line is gone."""
    with watch(bundle) as site:
        site.check("CustomerRiskNoTraffic")
        _answered(site, sound_request, 200)
        site.over("CustomerRiskNoTraffic", 1)


def test_the_pages_of_pods_that_are_not_ready(watch, altered, link, bundle) -> None:
    """A server that started with an altered bundle isn't ready and says why; with a good bundle it gets ready."""
    with watch(altered, "--stay-up", ready="/healthz") as site:
        site.check("CustomerRiskNotReady")
        site.check("CustomerRiskPodsNotReady")
        _point(link, bundle)
        site.over("CustomerRiskNotReady", 1, expected="{} => 1 @[...]")
        site.over("CustomerRiskNotReady", 2)
        site.over("CustomerRiskPodsNotReady", 1)


def test_the_page_of_workers_that_die(watch, bundle) -> None:
    """Killed workers are counted and named in the log; before, no line is shown."""
    with watch(bundle, "--workers", "2") as site:
        site.until("customer_risk_worker_deaths_total == 0")
        site.over("CustomerRiskWorkersDie", 1)
        children = Path(f"/proc/{site.pid}/task/{site.pid}/children")
        for _ in range(3):
            os.kill(int(children.read_text().split()[-1]), signal.SIGKILL)
            deaths = site.logs["kserve-container"].read_text().count(" ended with -9")
            deadline = time.monotonic() + PATIENCE
            while site.logs["kserve-container"].read_text().count(" ended with -9") == deaths:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        site.check("CustomerRiskWorkersDie")


@pytest.fixture
def link(bundle, tmp_path) -> Path:
    """A symbolic link to the bundle, as a mounted volume has one."""
    made = tmp_path / "current"
    made.symlink_to(bundle)
    return made


@pytest.fixture
def altered(bundle, tmp_path, link) -> Path:
    """The link, now to a copy of the bundle with an altered file."""
    copy = tmp_path / "altered"
    copy.mkdir()
    for each in bundle.iterdir():
        (copy / each.name).write_bytes(b"{}" if each.name == "trees.json" else each.read_bytes())
    _point(link, copy)
    return link


def _point(link: Path, folder: Path) -> None:
    beside = link.with_name("next")
    beside.symlink_to(folder)
    beside.replace(link)


@pytest.mark.usefixtures("altered")
def test_the_pages_of_a_refused_bundle(watch, bundle, link, tmp_path) -> None:
    """An altered bundle is refused with the reason while the former one answers; loading a good one ends the fault."""
    _point(link, bundle)
    with watch(link) as site:
        site.until("customer_risk_reloads_total{result='refused'} == 0")
        site.over("CustomerRiskReloadRefused", 1)
        _point(link, tmp_path / "altered")
        site.check("CustomerRiskReloadRefused")
        site.check("playbooks/bundle-wont-load")
        _point(link, bundle)
        (load,) = (each for each in commands("playbooks/bundle-wont-load") if "admin/reload" in each.text)
        site.wait("playbooks/bundle-wont-load", load, '...result":"unchanged"...')
