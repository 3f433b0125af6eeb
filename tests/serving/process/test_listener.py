"""Listening on a port."""

from __future__ import annotations

import socket

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.process.listener import listener, listeners, url_of


def test_port_zero_is_a_free_port() -> None:
    """Port 0 is a free port, and the socket says which."""
    with listener("127.0.0.1", 0) as listening:
        assert listening.getsockname()[1] > 0


@pytest.mark.parametrize("count", [1, 2])
def test_a_port_in_use_is_refused(count) -> None:
    """A port in use is refused with the host, the port and what to change, for one worker and for several."""
    with listener("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"Can't listen on 127\.0\.0\.1:{port}: .* Choose another --host or --port"
        ):
            listeners("127.0.0.1", port, count)


def test_a_port_that_another_server_shares_is_refused() -> None:
    """A port that another server shares is refused: both servers would get half of the requests."""
    theirs = listeners("127.0.0.1", 0, 2)
    try:
        with pytest.raises(ConfigError):
            listeners("127.0.0.1", theirs[0].getsockname()[1], 2)
    finally:
        for each in theirs:
            each.close()


def test_an_address_of_another_machine_is_refused() -> None:
    """An address of another machine is refused."""
    with pytest.raises(ConfigError, match=r"Can't listen on 192\.0\.2\.1:0"):
        listener("192.0.2.1", 0)


def test_workers_share_one_port() -> None:
    """Each worker has a socket of its own, and connections are spread over them."""
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


def test_an_ipv6_address_can_be_used() -> None:
    """An IPv6 address can be listened on, and the URL in the log has brackets."""
    try:
        with listener("::1", 0) as listening:
            assert listening.family == socket.AF_INET6
            assert url_of(listening) == f"http://[::1]:{listening.getsockname()[1]}"
    except ConfigError as error:  # switched off on this machine
        pytest.skip(str(error))
