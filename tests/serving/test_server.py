"""The server's parts that need no process of their own; tests/system/test_serve.py has the rest."""

from __future__ import annotations

import socket

import pytest

from model.errors import ConfigError
from serving.server import listener


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
