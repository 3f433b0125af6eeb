"""The parts of the server that need no separate process; tests/system/test_serve.py tests the rest."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from customer_risk.model.errors import BundleError
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.http.settings import ServerSettings
from customer_risk.serving.kserve.model import RiskModel
from customer_risk.serving.kserve.server import RiskServer
from customer_risk.serving.process.listener import listener
from customer_risk.serving.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def untouched() -> Iterator[None]:
    """Restore the signal handlers and the logging that a server changes."""
    signals = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    root, ours = logging.getLogger(), logging.getLogger("serving")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    for each, handler in signals.items():
        signal.signal(each, handler)
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.mark.usefixtures("untouched")
def test_a_server_answers_until_it_is_stopped(model, bundle, request_) -> None:
    """A server listens, becomes ready, answers, and returns after `stop`; then the model isn't ready."""
    with listener("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    server = RiskServer(model, bundle, ServerSettings(port=port))
    statuses = []

    def use() -> None:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
            while not model.ready:
                time.sleep(0.01)
            statuses.extend([client.get("/v2/health/ready"), client.post("/ai/v1/risk", json=request_)])
        server.stop(signal.SIGTERM)

    caller = threading.Thread(target=use)
    caller.start()
    server.run()
    caller.join()
    assert [each.status_code for each in statuses] == [200, 200]
    assert not model.service.ready


@pytest.mark.usefixtures("untouched")
def test_a_bad_bundle_ends_the_server(tmp_path) -> None:
    """An error of loading is raised after the listener is closed."""
    with pytest.raises(BundleError, match="There is no bundle at"):
        RiskServer(RiskModel(Exchange(Service("customer-risk")), tmp_path), tmp_path, ServerSettings(port=0)).run()


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("error", [BundleError("It is broken.", remedy="Mend it."), ZeroDivisionError("inside")])
def test_stay_up_keeps_the_server_running(model, bundle, caplog, error) -> None:
    """With `stay_up`, the server runs without being ready; an unexpected error is logged with its traceback."""

    def use(_: object) -> bool:
        threading.Timer(0.3, server.stop, [signal.SIGTERM]).start()
        raise error

    model.use = use
    server = RiskServer(model, bundle, ServerSettings(port=0, stay_up=True))
    server.run()
    assert f"not ready: {error}" in caplog.text
    assert ("Traceback" in caplog.text) == isinstance(error, ZeroDivisionError)


class Noted:
    """A component that notes the calls of its methods."""

    def __init__(self, name: str, notes: list[str], *, fails: bool = False) -> None:
        self._name, self._notes, self._fails = name, notes, fails

    async def start(self) -> None:
        """Note the start, or fail."""
        if self._fails:
            raise RuntimeError("can't begin")
        self._notes.append(f"{self._name} started")

    async def stop(self) -> None:
        """End."""
        self._notes.append(f"{self._name} stopped")


@pytest.mark.usefixtures("untouched")
def test_components_run_as_long_as_the_server(model, bundle) -> None:
    """Components start before the server listens, and stop after its last answer in reverse order."""
    notes: list[str] = []
    metrics = Metrics()
    metrics.reloaded = lambda _: server.stop()
    parts = lambda: [Noted("first", notes), Noted("second", notes)]  # noqa: E731
    server = RiskServer(model, bundle, ServerSettings(port=0), components=parts, metrics=metrics)
    server.run()
    assert notes == ["first started", "second started", "second stopped", "first stopped"]


@pytest.mark.usefixtures("untouched")
def test_a_component_that_cant_start_ends_the_server(model, bundle) -> None:
    """If a component can't start, the earlier ones are stopped, and the error is raised."""
    notes: list[str] = []
    parts = lambda: [Noted("first", notes), Noted("second", notes, fails=True)]  # noqa: E731
    with pytest.raises(RuntimeError, match="can't begin"):
        RiskServer(model, bundle, ServerSettings(port=0), components=parts).run()
    assert notes == ["first started", "first stopped"]


@pytest.mark.usefixtures("untouched")
def test_draining_answers_but_is_not_ready(model, bundle, request_) -> None:
    """A draining server isn't ready on any path, and answers requests."""
    with listener("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    server = RiskServer(model, bundle, ServerSettings(port=port, drain_seconds=30))
    statuses = []

    def use() -> None:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
            while not model.ready:
                time.sleep(0.01)
            server.stop()
            while not model.service.draining:
                time.sleep(0.01)
            statuses.extend(client.get(path).status_code for path in ("/v2/health/ready", "/v2/health/live"))
            statuses.append(client.post("/ai/v1/risk", json=request_).status_code)
            predicted = client.post("/v1/models/customer-risk:predict", json={"instances": [request_]})
            statuses.append(predicted.status_code)
        server.stop()  # asked twice, it doesn't wait

    caller = threading.Thread(target=use)
    caller.start()
    server.run()
    caller.join()
    assert statuses == [503, 200, 200, 200]


def test_kserve_does_not_parse_the_command_line() -> None:
    """KServe doesn't parse the arguments of our command."""
    code = (
        "import sys; sys.argv = ['x', '--http_port', 'none']\n"
        "import customer_risk.serving.kserve.server; print(sys.argv)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.strip() == "['x', '--http_port', 'none']", done.stderr


def test_the_command_starts_a_server(tmp_path) -> None:
    """`serve` logs its start, and ends with the error of a bad bundle."""
    command = [Path(sys.executable).parent / "customer-risk", "serve", tmp_path, "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.startswith(f"starting: importing the server and verifying {tmp_path}")
    assert "error: There is no bundle at" in done.stderr
    assert done.returncode == 2
