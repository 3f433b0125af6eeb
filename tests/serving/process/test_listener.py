"""The port."""

from __future__ import annotations

import socket

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.process.listener import listener, listeners, url_of


def test_port_zero_is_any_free_one() -> None:
    """The listener says which it took."""
    with listener("127.0.0.1", 0) as listening:
        assert listening.getsockname()[1] > 0


@pytest.mark.parametrize("count", [1, 2])
def test_a_taken_port_is_refused_by_name(count) -> None:
    """The message names host and port, and what to change, for one worker as for several."""
    with listener("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"Can't listen on 127\.0\.0\.1:{port}: .* Choose another --host or --port"
        ):
            listeners("127.0.0.1", port, count)


def test_another_servers_shared_port_is_taken_too() -> None:
    """Sharing is among our own workers: two servers by mistake on one port would each get half of the requests."""
    theirs = listeners("127.0.0.1", 0, 2)
    try:
        with pytest.raises(ConfigError):
            listeners("127.0.0.1", theirs[0].getsockname()[1], 2)
    finally:
        for each in theirs:
            each.close()


def test_a_host_that_is_not_ours_is_refused() -> None:
    """An address of another machine can't be listened on."""
    with pytest.raises(ConfigError, match=r"Can't listen on 192\.0\.2\.1:0"):
        listener("192.0.2.1", 0)


def test_several_share_one_port() -> None:
    """Each worker gets a socket of its own; connections are spread over them."""
    sockets = listeners("127.0.0.1", 0, 3)
    try:
        ports = {each.getsockname()[1] for each in sockets}
        assert len(ports) == 1
        for each in sockets:
            each.settimeout(0)
        callers = [socket.create_connection(("127.0.0.1", *ports)) for _ in range(60)]
        taken = [_accepted(each) for each in sockets]
        for caller in callers:
            caller.close()
    finally:
        for each in sockets:
            each.close()
    assert sum(taken) == 60
    assert min(taken) > 3


def _accepted(listening: socket.socket) -> int:
    count = 0
    while True:
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_ipv6_is_listened_on_and_its_url_has_brackets() -> None:
    """An address with colons is one of the newer protocol; the line in the log can be pasted."""
    try:
        with listener("::1", 0) as listening:
            assert listening.family == socket.AF_INET6
            assert url_of(listening) == f"http://[::1]:{listening.getsockname()[1]}"
    except ConfigError as error:  # switched off on this machine
        pytest.skip(str(error))
