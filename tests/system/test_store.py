"""The shared store in a real Redis."""

from __future__ import annotations

import socket
import subprocess
import time

import pytest

from customer_risk.serving.errors import StoreUnavailable
from customer_risk.serving.store.redis import RedisStore
from tests.system.asking import PATIENCE
from tests.system.packages import ensure

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def program() -> str:
    """Redis, installed where it is absent."""
    return ensure("redis-server")


@pytest.fixture
def redis(program, tmp_path):
    """A Redis process and its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    store = RedisStore(f"redis://127.0.0.1:{port}/0", prefix="t:", timeout=5)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            store.get("a")
            break
        except StoreUnavailable:
            time.sleep(0.05)
    yield process, store
    store.close()
    process.kill()
    process.wait()


def test_redis_compares_before_it_sets(redis) -> None:
    """Adding, replacing and removing do so only where the value is as expected."""
    _, store = redis
    assert store.add("a", b"\x00\xff", seconds=PATIENCE)
    assert not store.add("a", b"2", seconds=PATIENCE)
    assert not store.replace("a", b"0", b"2", seconds=PATIENCE)
    assert store.replace("a", b"\x00\xff", b"2", seconds=PATIENCE)
    assert not store.remove("a", b"0")
    assert store.remove("a", b"2")
    assert not store.remove("a")


def test_redis_lets_values_expire(redis) -> None:
    """Past its seconds there is none."""
    _, store = redis
    store.put("a", b"1", seconds=0.05)
    time.sleep(0.1)
    assert store.get("a") is None


def test_redis_drops_keys_by_prefix(redis) -> None:
    """All keys with the prefix are deleted, even those with a pattern's characters, and no other key."""
    _, store = redis
    for place in range(250):
        store.put(f"a[*]/{place}", b"1", seconds=PATIENCE)
    store.put("ab/0", b"1", seconds=PATIENCE)
    assert not store.drop("a[*]/")
    assert store.keys("") == ["ab/0"]


def test_a_redis_that_hangs_is_unavailable_in_time(redis) -> None:
    """A stopped process takes connections and answers nothing."""
    process, store = redis
    process.send_signal(19)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.get("a")
    assert time.monotonic() - began < PATIENCE
