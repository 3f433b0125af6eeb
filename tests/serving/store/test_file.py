"""The store in an SQLite file."""

from __future__ import annotations

import sqlite3
import time

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.serving.errors import StoreUnavailable
from customer_risk.serving.store.factory import open_store
from customer_risk.serving.store.file import FileStore
from customer_risk.serving.store.settings import StoreSettings


@pytest.fixture
def clock():
    """A clock that the test sets."""
    return [1000.0]


@pytest.fixture
def store(tmp_path, clock):
    """A store in a file."""
    made = FileStore(str(tmp_path / "store"), timeout=0.05, clock=lambda: clock[0])
    yield made
    made.close()


def test_a_value_is_returned_until_it_expires(store, clock) -> None:
    """A value is returned until it expires."""
    store.put("a", b"1", seconds=5)
    assert store.get("a") == b"1"
    clock[0] += 5
    assert store.get("a") is None


def test_an_expired_value_is_deleted(store, clock, tmp_path) -> None:
    """A later operation deletes an expired value."""
    store.put("a", b"1", seconds=5)
    clock[0] += 11
    store.get("b")
    other = sqlite3.connect(tmp_path / "store")
    assert other.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    other.close()


def test_keys_are_dropped_by_prefix_a_few_at_a_time(store) -> None:
    """Each call of `drop` deletes a few keys, and keys with another prefix stay."""
    for place in range(10):
        store.put(f"a/{place}", b"x", seconds=5)
    store.put("b/0", b"x", seconds=5)
    steps = 1
    while store.drop("a/"):
        steps += 1
    assert (steps > 2, store.keys("")) == (True, ["b/0"])


def test_the_file_shrinks_after_deletions(store, clock, tmp_path) -> None:
    """The file shrinks after values are dropped or expire, in short steps between other operations."""
    sizes = []
    for _ in range(2):
        for place in range(20):
            store.put(f"a/{place}", bytes(2**20), seconds=5)
        sizes.append(size_of(tmp_path))
        if len(sizes) == 1:
            while store.drop("a/"):
                pass
        else:
            clock[0] += 11
        for _ in range(60):
            clock[0] += 0.1
            began = time.monotonic()
            store.get("b")
            assert time.monotonic() - began < 30  # 0.03 s on an idle machine
        assert size_of(tmp_path) < 2**20
    assert min(sizes) > 20 * 2**20


def test_a_file_of_an_earlier_version_still_opens(tmp_path, clock) -> None:
    """A file of an earlier version keeps its size and its values."""
    old = sqlite3.connect(tmp_path / "store", isolation_level=None)
    old.execute("PRAGMA journal_mode=WAL")
    old.execute("CREATE TABLE kept (key TEXT PRIMARY KEY, value BLOB NOT NULL, until REAL NOT NULL)")
    old.execute("INSERT INTO kept VALUES ('a', x'31', 2000)")
    old.close()
    store = FileStore(str(tmp_path / "store"), clock=lambda: clock[0])
    store.put("b/0", bytes(2**20), seconds=50)
    while store.drop("b/"):
        pass
    clock[0] += 11
    assert (store.get("a"), store.keys("")) == (b"1", ["a"])
    store.close()


def size_of(folder) -> int:
    """Return the size of a store's files in bytes."""
    return sum(path.stat().st_size for path in folder.iterdir())


def test_the_first_value_under_a_key_stays(store) -> None:
    """The first value under a key stays."""
    assert store.add("a", b"1", seconds=5)
    assert not store.add("a", b"2", seconds=5)
    assert store.get("a") == b"1"


def test_an_operation_that_is_repeated_returns_the_same(store) -> None:
    """A repeated add or replace returns True again and changes nothing."""
    assert store.add("a", b"1", seconds=5)
    assert store.add("a", b"1", seconds=5)
    assert store.replace("a", b"1", b"2", seconds=5)
    assert store.replace("a", b"1", b"2", seconds=5)
    assert store.get("a") == b"2"


def test_an_expired_key_can_be_added_again(store, clock) -> None:
    """A key whose value has expired can be added again, before and after it is deleted."""
    store.add("a", b"1", seconds=1)
    clock[0] += 1
    assert store.add("a", b"2", seconds=5)
    assert store.get("a") == b"2"


def test_a_value_is_replaced_only_if_it_is_the_expected_one(store) -> None:
    """A value is replaced only if it is the expected one."""
    store.put("a", b"1", seconds=5)
    assert not store.replace("a", b"0", b"2", seconds=5)
    assert store.replace("a", b"1", b"2", seconds=5)
    assert store.get("a") == b"2"


def test_a_value_is_removed_only_if_it_is_the_expected_one(store) -> None:
    """A value is removed only if it is the expected one."""
    store.put("a", b"1", seconds=5)
    assert not store.remove("a", b"0")
    assert store.remove("a", b"1")
    assert not store.remove("a")


def test_two_stores_share_a_file(store, tmp_path, clock) -> None:
    """Two stores on one file see each other's values."""
    other = FileStore(str(tmp_path / "store"), clock=lambda: clock[0])
    store.put("a", b"1", seconds=5)
    assert other.get("a") == b"1"
    other.close()


def test_a_locked_file_is_unavailable_after_the_timeout(store, tmp_path) -> None:
    """A locked file raises StoreUnavailable after the timeout."""
    other = sqlite3.connect(tmp_path / "store", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        store.put("a", b"1", seconds=5)
    other.close()


def test_a_file_that_cant_be_written_is_a_config_error(tmp_path) -> None:
    """A file that can't be written raises ConfigError that names the setting."""
    with pytest.raises(ConfigError, match=r"store\.path"):
        open_store(StoreSettings(path=str(tmp_path / "none" / "store")), tmp_path)


def test_redis_needs_an_address(tmp_path) -> None:
    """Redis without an address raises ConfigError that names the setting."""
    with pytest.raises(ConfigError, match=r"store\.url"):
        open_store(StoreSettings(kind="redis"), tmp_path)


def test_an_unreachable_redis_is_unavailable(tmp_path) -> None:
    """A Redis that can't be reached raises StoreUnavailable."""
    store = open_store(StoreSettings(kind="redis", url="redis://127.0.0.1:1/0", timeout_seconds=0.1), tmp_path)
    with pytest.raises(StoreUnavailable):
        store.get("a")


def test_the_address_of_redis_may_be_in_a_file(tmp_path) -> None:
    """White space around the address does not count."""
    (tmp_path / "url").write_text("redis://:secret@127.0.0.1:1/0\n")
    settings = StoreSettings(kind="redis", url_file=str(tmp_path / "url"), timeout_seconds=0.1)
    with pytest.raises(StoreUnavailable):
        open_store(settings, tmp_path).get("a")


@pytest.mark.parametrize(
    ("written", "url", "said"),
    [
        (None, "", r"store\.url_file can't be read"),
        ("\n", "", "give no address"),
        ("nowhere", "", r"store\.url_file is not a valid address"),
        ("redis://a:1/0", "redis://b:1/0", "both given"),
    ],
)
def test_a_file_without_an_address_is_a_config_error(tmp_path, written, url, said) -> None:
    """A file without a valid address raises ConfigError without the file's content."""
    if written is not None:
        (tmp_path / "url").write_text(written)
    with pytest.raises(ConfigError, match=said) as caught:
        open_store(StoreSettings(kind="redis", url=url, url_file=str(tmp_path / "url")), tmp_path)
    assert "nowhere" not in str(caught.value)
