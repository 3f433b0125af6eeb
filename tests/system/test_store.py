"""The shared store in a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from types import SimpleNamespace

import pytest
import redis as client

from customer_risk.serving.auth.caller import LOCAL
from customer_risk.serving.bulk.jobs.repository import JobRepository
from customer_risk.serving.bulk.jobs.types import Job
from customer_risk.serving.contract.problem import kind_of
from customer_risk.serving.errors import NotFound, StoreUnavailable
from customer_risk.serving.store import redis as redis_store
from customer_risk.serving.store.idempotency import Idempotency
from customer_risk.serving.store.redis import RedisStore
from tests.system.asking import PATIENCE
from tests.system.packages import ensure

pytestmark = pytest.mark.system


class Server:
    """A Redis process; `ask` sends it an administrator's commands."""

    def __init__(self, program: str, folder, *options: str) -> None:
        """Start Redis on a free port and wait until it answers."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder = folder / str(self.port)
        self.folder.mkdir()
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        debug = ["--enable-debug-command", "yes"]
        self.process = subprocess.Popen([program, *arguments, *debug, *options], stdout=subprocess.DEVNULL)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._admin = client.Redis.from_url(self.url, socket_timeout=PATIENCE)
        until(self._answers)

    def ask(self, command: str, *arguments: object):
        """Return the reply to an administrator's command."""
        return self._admin.execute_command(command, *arguments)

    def info(self, name: str):
        """Return a field of the server's state."""
        return self._admin.info()[name]

    def end(self) -> None:
        """End the process."""
        self._admin.close()
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(client.ConnectionError):
            return bool(self.ask("PING"))
        return False


class Switch:
    """An address that forwards to a server, as a Service of Kubernetes: new connections go to `port`, old ones stay.

    The next `lost` responses are lost: the connection is closed instead.
    """

    def __init__(self, port: int) -> None:
        """Listen on a free port."""
        self.port, self.lost, self.connections = port, 0, 0
        self.lose = lambda: None  # called when a response is lost
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                here, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._join, args=(here, self.port), daemon=True).start()

    def _join(self, here: socket.socket, port: int) -> None:
        with here, socket.create_connection(("127.0.0.1", port)) as there:
            threading.Thread(target=self._pass_back, args=(there, here), daemon=True).start()
            with contextlib.suppress(OSError):
                while data := here.recv(65536):
                    there.sendall(data)

    def _pass_back(self, there: socket.socket, here: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := there.recv(65536):
                if self.lost:
                    self.lost -= 1
                    self.lose()
                    break
                here.sendall(data)
        with contextlib.suppress(OSError):
            here.shutdown(socket.SHUT_RDWR)


def until(true) -> None:
    """Wait until a function returns something true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def program() -> str:
    """The path of Redis, which is installed if it is absent."""
    return ensure("redis-server")


@pytest.fixture
def start(program, tmp_path):
    """Start a Redis process, with options."""
    with contextlib.ExitStack() as ends:

        def started(*options: str) -> Server:
            server = Server(program, tmp_path, *options)
            ends.callback(server.end)
            return server

        yield started


@pytest.fixture
def server(start) -> Server:
    """A Redis process."""
    return start()


@pytest.fixture
def switch(server):
    """An address that leads to the Redis process."""
    made = Switch(server.port)
    yield made
    made.close()


@pytest.fixture
def connect():
    """Make a store at an address."""
    with contextlib.ExitStack() as ends:

        def connected(url: str, timeout: float = PATIENCE) -> RedisStore:
            store = RedisStore(url, prefix="t:", timeout=timeout)
            ends.callback(store.close)
            return store

        yield connected


@pytest.fixture
def redis(server, connect):
    """A Redis process and a store in it."""
    return server.process, connect(server.url, 5)


def job(**fields) -> Job:
    """A job."""
    now = time.time()
    kept = {"caller": "azp:a", "explain": False, "format": "ndjson", "pieces": 1, "rows": 1}
    return Job(**{"job_id": "j", "created": now, "expires": now + PATIENCE, **kept, **fields})


def test_redis_compares_before_it_sets(redis) -> None:
    """A value is added, replaced or removed only if the current value is the expected one."""
    _, store = redis
    assert store.add("a", b"\x00\xff", seconds=PATIENCE)
    assert not store.add("a", b"2", seconds=PATIENCE)
    assert not store.replace("a", b"0", b"2", seconds=PATIENCE)
    assert store.replace("a", b"\x00\xff", b"2", seconds=PATIENCE)
    assert not store.remove("a", b"0")
    assert store.remove("a", b"2")
    assert not store.remove("a")


def test_redis_lets_values_expire(redis) -> None:
    """A value is deleted after its time to live."""
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
    """A suspended Redis, which accepts connections and answers nothing, is unavailable within the timeout."""
    process, store = redis
    process.send_signal(19)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.get("a")
    assert time.monotonic() - began < PATIENCE


OPERATIONS = {
    "get": lambda store: store.get("there") == b"1",
    "put": lambda store: store.put("a", b"1", seconds=PATIENCE) is None and store.get("a") == b"1",
    "add": lambda store: store.add("a", b"1", seconds=PATIENCE) and store.get("a") == b"1",
    "add beside another": lambda store: not store.add("there", b"2", seconds=PATIENCE) and store.get("there") == b"1",
    "replace": lambda store: store.replace("there", b"1", b"2", seconds=PATIENCE) and store.get("there") == b"2",
    "replace another": lambda store: not store.replace("there", b"0", b"2", seconds=PATIENCE),
    "remove": lambda store: store.remove("there", b"1") in {True, False} and store.get("there") is None,
    "remove another": lambda store: not store.remove("there", b"0") and store.get("there") == b"1",
    "keys": lambda store: store.keys("th") == ["there"],
    "drop": lambda store: store.drop("there") is False and store.get("there") is None,
    "lease": lambda store: JobRepository(store).take("j") is not None,
    "job": lambda store: JobRepository(store).add(job()) is None and JobRepository(store).open() == ["j"],
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_response_changes_nothing(switch, connect, operation, lost) -> None:
    """A command whose response is lost is sent again with the same result; after a second loss it is unavailable."""
    store = connect(switch.url)
    store.put("there", b"1", seconds=PATIENCE)
    switch.lost = lost
    if lost == 1:
        assert OPERATIONS[operation](store)
    else:
        with pytest.raises(StoreUnavailable):
            OPERATIONS[operation](store)
    assert switch.lost == 0
    assert store.get("b") is None


def demoted(server: Server) -> None:
    """Make the server a replica, which refuses writes."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        server.ask("REPLICAOF", "127.0.0.1", unused.getsockname()[1])


def cut_off(server: Server) -> None:
    """Make the server a replica without a primary, which also refuses reads."""
    server.ask("CONFIG", "SET", "replica-serve-stale-data", "no")
    demoted(server)


def without_replicas(server: Server) -> None:
    """Make the server refuse writes while it has no replica."""
    server.ask("CONFIG", "SET", "min-replicas-to-write", 1)


def loading(server: Server) -> None:
    """Make the server load its data for minutes."""
    server.ask("DEBUG", "POPULATE", 10_000)
    server.ask("CONFIG", "SET", "loading-process-events-interval-bytes", 1024)
    server.ask("CONFIG", "SET", "key-load-delay", 50_000)
    administrator = client.Redis.from_url(server.url, socket_timeout=PATIENCE)

    def load() -> None:
        with contextlib.suppress(client.RedisError):
            administrator.execute_command("DEBUG", "RELOAD")

    threading.Thread(target=load, daemon=True).start()
    until(lambda: server.info("loading"))


def gone(server: Server) -> None:
    """End the server."""
    server.process.kill()
    server.process.wait()


STATES = {
    "READONLY": (demoted, {"put", "add", "replace", "lease", "job"}),
    "MASTERDOWN": (cut_off, {"get", "put", "add", "keys", "lease", "job"}),
    "NOREPLICAS": (without_replicas, {"put", "add", "replace", "lease", "job"}),
    "LOADING": (loading, {"get", "add", "keys", "lease"}),
    "closed": (gone, {"get", "add", "keys", "lease", "job"}),
}


@pytest.mark.parametrize(
    ("state", "operation"),
    [(state, operation) for state, (_, operations) in STATES.items() for operation in sorted(operations)],
)
def test_a_store_changes_to_a_new_server(server, start, switch, connect, state, operation) -> None:
    """If another server has replaced a store's server, the same operation and all later ones reach the new server."""
    other = start()
    store = connect(switch.url)
    for each in (connect(other.url), store):
        each.put("there", b"1", seconds=PATIENCE)
    STATES[state][0](server)
    switch.port = other.port
    assert OPERATIONS[operation](store)
    connections = switch.connections
    store.put("later", b"1", seconds=PATIENCE)
    assert switch.connections == connections
    assert connect(other.url).get("later") == b"1"


def test_a_store_leaves_a_node_without_a_cluster(start, connect) -> None:
    """If a store's server is a node without a cluster, a later operation reaches the server that replaced it."""
    node, other = start("--cluster-enabled", "yes"), start()
    switch = Switch(node.port)
    store = connect(switch.url)
    with pytest.raises(StoreUnavailable):
        store.get("a")
    switch.port = other.port
    assert store.add("a", b"1", seconds=PATIENCE)
    switch.close()


def test_connections_in_use_are_replaced_too(server, start, switch, connect) -> None:
    """Several threads with connections to a demoted server all reach the new server in their current operation."""
    other = start()
    store = connect(switch.url)
    barrier = threading.Barrier(8, timeout=PATIENCE)

    def write(place: int) -> bool:
        store.get("a")
        barrier.wait()
        if place == 0:
            demoted(server)
            switch.port = other.port
        barrier.wait()
        return store.add(f"k/{place}", b"1", seconds=PATIENCE)

    async def run() -> list[bool]:
        return await asyncio.gather(*(asyncio.to_thread(write, place) for place in range(8)))

    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(ThreadPoolExecutor(8))
        assert all(runner.run(run()))
    assert len(connect(other.url).keys("k/")) == 8


def test_both_attempts_share_a_deadline(server, switch, connect, monkeypatch) -> None:
    """A second attempt has only the time that remains after the first one."""
    passed = [0.0]
    monkeypatch.setattr(redis_store, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0]))
    store = connect(switch.url, 10 * PATIENCE)
    store.get("a")

    def lose() -> None:
        passed[0] += 10 * PATIENCE - 1
        server.process.send_signal(19)

    switch.lost, switch.lose = 1, lose
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.get("a")
    assert time.monotonic() - began < PATIENCE
    assert switch.connections == 2


def test_a_deadline_that_is_over_allows_no_second_attempt(server, switch, connect) -> None:
    """If a command isn't answered within the timeout, it isn't sent again."""
    store = connect(switch.url, 0.5)
    store.get("a")
    server.process.send_signal(19)
    with pytest.raises(StoreUnavailable):
        store.get("a")
    assert switch.connections == 1


def full(server: Server) -> None:
    """Make the memory full."""
    server.ask("CONFIG", "SET", "maxmemory", 1)


def unsaved(server: Server) -> None:
    """Make a snapshot fail."""
    server.ask("CONFIG", "SET", "save", "3600 1")
    shutil.rmtree(server.folder)
    server.ask("BGSAVE")
    until(lambda: server.info("rdb_last_bgsave_status") == "err")


def paused(server: Server) -> None:
    """Make the server answer nothing."""
    server.ask("CLIENT", "PAUSE", 1000 * PATIENCE)


def crowded(server: Server) -> None:
    """Make the server refuse further connections."""
    server.ask("CONFIG", "SET", "maxclients", 1)


def locked(server: Server) -> None:
    """Make the server demand a password."""
    server.ask("CONFIG", "SET", "requirepass", "right")


def without_rights(server: Server) -> None:
    """Add a user who may only read."""
    server.ask("ACL", "SETUSER", "reader", "on", ">right", "~*", "+@read", "+@connection")


def busy(server: Server) -> None:
    """Make the server busy with an endless script."""
    server.ask("CONFIG", "SET", "busy-reply-threshold", 1)
    administrator = client.Redis.from_url(server.url, socket_timeout=PATIENCE)

    def run() -> None:
        with contextlib.suppress(client.RedisError):
            administrator.eval("while true do end", 0)

    threading.Thread(target=run, daemon=True).start()
    store = RedisStore(server.url, prefix="t:", timeout=PATIENCE)

    def refuses() -> bool:
        try:
            store.get("a")
        except StoreUnavailable:
            return True
        return False

    until(refuses)
    store.close()


@pytest.mark.parametrize(
    ("state", "user", "timeout", "cause"),
    [
        (full, "", PATIENCE, "command not allowed when used memory"),
        (unsaved, "", PATIENCE, "MISCONF"),
        (paused, "", 0.5, "Timeout"),
        (crowded, "", PATIENCE, "max number of clients reached"),
        (locked, "", PATIENCE, "Authentication required"),
        (locked, ":wrong@", PATIENCE, "invalid username-password pair"),
        (without_rights, "reader:right@", PATIENCE, "no permissions"),
        (busy, "", PATIENCE, "BUSY"),
        (gone, "", PATIENCE, "refused"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_store_that_cannot_be_used_is_declared(server, connect, caplog, state, user, timeout, cause) -> None:
    """If Redis can't write, for any cause, the error is a 503 `store-unavailable`, and the log has the cause once."""
    state(server)
    caplog.clear()
    store = connect(server.url.replace("//", f"//{user}"), timeout)
    for _ in range(3):
        with pytest.raises(StoreUnavailable) as caught:
            store.put("a", b"1", seconds=PATIENCE)
        kind = kind_of(caught.value)
        assert (kind.status, kind.name) == (HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable")
    assert sum(cause in line for line in caplog.messages) == 1
    assert "right" not in caplog.text


def test_a_store_works_again_when_its_server_does(server, connect) -> None:
    """After its server was full, a store works again as soon as the server has memory."""
    store = connect(server.url)
    full(server)
    with pytest.raises(StoreUnavailable):
        store.put("a", b"1", seconds=PATIENCE)
    server.ask("CONFIG", "SET", "maxmemory", 0)
    store.put("a", b"1", seconds=PATIENCE)


@pytest.mark.parametrize(
    ("maxmemory", "policy", "warnings"),
    [("100mb", "allkeys-lru", 1), ("100mb", "volatile-ttl", 1), ("100mb", "noeviction", 0), ("0", "allkeys-lru", 0)],
)
def test_a_redis_that_evicts_is_named(start, connect, caplog, maxmemory, policy, warnings) -> None:
    """The log names a `maxmemory-policy` that lets Redis delete keys, once."""
    store = connect(start("--maxmemory", maxmemory, "--maxmemory-policy", policy).url)
    store.get("a")
    store.get("a")
    assert caplog.text.count(f"maxmemory-policy is {policy}") == warnings


def test_evicted_keys_are_as_if_they_had_never_existed(start, connect) -> None:
    """An evicted answer is made again, an evicted reservation has no effect, and evicted results are refused."""
    server = start("--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru")
    store = connect(server.url)
    repository = JobRepository(store)
    done = job(next_piece=2)
    repository.add(done)
    repository.put_results(done, 0, b"1")
    repository.put_results(done, 1, b"1")
    counter = itertools.count()
    keys = Idempotency(store)

    def evict() -> None:
        for place in range(200):
            store.put(f"other/{place}", os.urandom(100_000), seconds=PATIENCE)

    def answer() -> bytes:
        evict()
        return b"%d" % next(counter)

    def ask() -> bytes:
        return asyncio.run(keys.once(LOCAL, "/r", "k", b"{}", answer))

    assert (ask(), ask()) == (b"0", b"0")
    evict()
    assert ask() == b"1"
    assert repository.get("j") is None
    with pytest.raises(NotFound):
        repository.require_results(done)
