"""The server's parts that need no process of their own; tests/system/test_serve.py has the rest."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from click.testing import CliRunner

from model.errors import BundleError, ConfigError
from serving.commands import serve
from serving.predictor import RiskModel
from serving.server import RiskServer, Settings, _url, listener

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_port_zero_is_any_free_one() -> None:
    """The listener says which it took."""
    with listener("127.0.0.1", 0) as listening:
        assert listening.getsockname()[1] > 0


def test_a_taken_port_is_refused_by_name() -> None:
    """The message names host and port, and what to change."""
    with listener("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"Can't listen on 127\.0\.0\.1:{port}: .* Choose another --host or --port"
        ):
            listener("127.0.0.1", port)


def test_a_host_that_is_not_ours_is_refused() -> None:
    """An address of another machine can't be listened on."""
    with pytest.raises(ConfigError, match=r"Can't listen on 192\.0\.2\.1:0"):
        listener("192.0.2.1", 0)


def test_ipv6_is_listened_on() -> None:
    """An address with colons is one of the newer protocol."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with listener("::1", 0) as listening:
            assert listening.family == socket.AF_INET6
    except ConfigError as error:  # built in, but switched off on this machine
        pytest.skip(str(error))


@pytest.fixture
def untouched() -> Iterator[None]:
    """Put back what a server changes in its process: signal handlers and logging."""
    signals = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)}
    root, ours = logging.getLogger(), logging.getLogger("serving")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    for each, handler in signals.items():
        signal.signal(each, handler)
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.mark.usefixtures("untouched")
def test_a_server_answers_until_it_is_stopped(model, request_) -> None:
    """It listens, gets ready, answers, and returns once asked to end; then the model isn't ready any more."""
    with listener("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    server = RiskServer(model, Settings(port=port))
    statuses = []

    def use() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            while not model.ready:
                time.sleep(0.01)
            statuses.extend([client.get("/v2/health/ready"), client.post("/ai/v1/risk", json=request_)])
        server.stop(signal.SIGTERM)

    caller = threading.Thread(target=use)
    caller.start()
    server.run()
    caller.join()
    assert [each.status_code for each in statuses] == [200, 200]
    assert not model.ready


@pytest.mark.usefixtures("untouched")
def test_a_bad_bundle_ends_the_server(tmp_path) -> None:
    """What loading says is raised once the listener is closed."""
    with pytest.raises(BundleError, match="There is no bundle at"):
        RiskServer(RiskModel("customer-risk", tmp_path, explain=True), Settings(port=0)).run()


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("error", [BundleError("It is broken.", remedy="Mend it."), ZeroDivisionError("inside")])
def test_with_stay_up_it_is_logged_and_the_server_stays(tmp_path, caplog, error) -> None:
    """The server runs on, not ready, until it is stopped; what nobody foresaw is logged with its traceback."""
    model = RiskModel("customer-risk", tmp_path, explain=True)

    def load() -> bool:
        threading.Timer(0.3, server.stop, [signal.SIGTERM]).start()
        raise error

    model.load = load
    server = RiskServer(model, Settings(port=0, stay_up=True))
    server.run()
    assert f"not ready, and won't be: {error}" in caplog.text
    assert ("Traceback" in caplog.text) == isinstance(error, ZeroDivisionError)


@pytest.mark.usefixtures("untouched")
def test_the_command_starts_a_server(tmp_path) -> None:
    """`serve` says what it does, and a bad bundle's error comes through to the command."""
    result = CliRunner().invoke(serve, [str(tmp_path), "--port", "0"])
    assert result.output.startswith(f"starting: importing the server, then checking {tmp_path}")
    assert isinstance(result.exception, BundleError)


def test_an_ipv6_url_has_brackets() -> None:
    """The address in the ready line can be pasted."""
    try:
        listening = listener("::1", 0)
    except ConfigError as error:
        pytest.skip(str(error))
    with listening:
        assert _url(listening) == f"http://[::1]:{listening.getsockname()[1]}"
