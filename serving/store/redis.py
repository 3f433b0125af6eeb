"""A store in Redis, which many pods may share."""

from __future__ import annotations

import logging
import re
import threading
import time
from contextvars import ContextVar
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from customer_risk.serving.errors import StoreUnavailable

# Each script does nothing if it is repeated, so that a command may be sent again after its response was lost.
_ADD: Final = """
local kept = redis.call('get', KEYS[1])
if kept then return kept == ARGV[1] and 1 or 0 end
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_REPLACE: Final = """
local kept = redis.call('get', KEYS[1])
if kept ~= ARGV[1] then return kept == ARGV[2] and 1 or 0 end
redis.call('set', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_REMOVE: Final = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('del', KEYS[1])"
_DROPPED: Final = 100  # keys deleted by one command
_SCANNED: Final = 1000  # keys examined by one command
_QUIET_SECONDS: Final = 60.0  # between two log lines about failures
_LEAST_SECONDS: Final = 0.001  # a timeout of 0 would make a socket non-blocking
# Errors of a server that another server may have replaced. Redis before version 7 puts text of the script around them.
_REPLACED: Final = re.compile(r"(?:^|-)(READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|LOADING)\b")
_REPLACED_ERRORS: Final = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)
_deadline: Final[ContextVar[float]] = ContextVar("_deadline", default=0.0)  # of the operation, by the monotonic clock
_log = logging.getLogger("serving")


class RedisStore:
    """Stores values in the Redis at `url`, under keys that begin with `prefix`; raises ValueError for an invalid `url`.

    A command that fails because its server was demoted, restarted or lost is sent once more, over a new connection.
    Both attempts together take `timeout` seconds at most.
    """

    def __init__(self, url: str, *, prefix: str, timeout: float = 2) -> None:
        self._url = url
        self._prefix = prefix
        self._timeout = timeout
        self._lock = threading.Lock()
        self._redis: Any = self._client()
        self._checked: Any = None  # the client whose server was asked for its eviction policy
        self._quiet_until = 0.0  # no failure is logged before this time

    def get(self, key: str) -> bytes | None:
        """Return a key's value; None if it has no value, or the value has expired."""
        value: bytes | None = self._ask("get", self._prefix + key)
        return value

    def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Set a value."""
        self._ask("set", self._prefix + key, value, px=_milliseconds(seconds))

    def add(self, key: str, value: bytes, *, seconds: float) -> bool:
        """Set a value if the key has none; return whether the key has this value now."""
        return bool(self._ask("eval", _ADD, 1, self._prefix + key, value, _milliseconds(seconds)))

    def replace(self, key: str, old: bytes, new: bytes, *, seconds: float) -> bool:
        """Set the value `new` if the value is `old`; return whether the key has the value `new` now."""
        return bool(self._ask("eval", _REPLACE, 1, self._prefix + key, old, new, _milliseconds(seconds)))

    def remove(self, key: str, old: bytes | None = None) -> bool:
        """Delete a value, with `old` only if it equals `old`; return whether it was deleted."""
        if old is None:
            return bool(self._ask("delete", self._prefix + key))
        return bool(self._ask("eval", _REMOVE, 1, self._prefix + key, old))

    def keys(self, prefix: str) -> list[str]:
        """Return the keys with a prefix that haven't expired, in order; scans all keys, a thousand at a time."""
        pattern = self._prefix + re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
        cursor, found = 0, set()
        while True:
            cursor, some = self._ask("scan", cursor, match=pattern, count=_SCANNED)
            found.update(some)
            if not cursor:
                return sorted(key.decode().removeprefix(self._prefix) for key in found)

    def drop(self, prefix: str) -> bool:
        """Delete all keys with a prefix; return False, since no key is left. Redis frees memory in the background."""
        keys = self.keys(prefix)
        for first in range(0, len(keys), _DROPPED):
            self._ask("unlink", *(self._prefix + key for key in keys[first : first + _DROPPED]))
        return False

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _client(self) -> Any:
        # The client's own retries would multiply the timeout. With protocol version 3, a server could extend it.
        client = redis.Redis.from_url(self._url, retry=Retry(NoBackoff(), 0), protocol=2)
        pool: Any = client.connection_pool
        pool.connection_class = type("_Connection", (_Bounded, pool.connection_class), {})
        return client

    def _ask(self, command: str, *arguments: Any, **options: Any) -> Any:
        """Return a command's reply; raises StoreUnavailable. The command may reach the server twice."""
        operation = _deadline.set(time.monotonic() + self._timeout)
        client = self._redis
        try:
            try:
                reply = getattr(client, command)(*arguments, **options)
            except redis.RedisError as error:
                if not _may_be_replaced(error) or time.monotonic() >= _deadline.get():
                    raise
                client = self._renewed(client)
                reply = getattr(client, command)(*arguments, **options)
            self._succeeded(client)
        except (redis.RedisError, OSError) as error:
            self._failed(error)
            raise StoreUnavailable from error
        else:
            return reply
        finally:
            _deadline.reset(operation)

    def _renewed(self, used: Any) -> Any:
        """Return a client with new connections in place of `used`, whose idle connections are closed."""
        with self._lock:
            if self._redis is used:  # if not, another thread has replaced it
                self._redis = self._client()
            renewed = self._redis
        used.connection_pool.disconnect(inuse_connections=False)
        return renewed

    def _succeeded(self, client: Any) -> None:
        if self._checked is not client:
            self._checked = client
            _warn_of_eviction(client)

    def _failed(self, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            _log.warning(
                "Redis can't be used; requests that need the store get 503: %s: %s", type(error).__name__, error
            )


class _Bounded:
    """A connection that never waits beyond the operation's deadline."""

    _sock: Any
    # The client sets both when it makes the connection; that is ignored, since each operation has its own deadline.
    socket_timeout = property(lambda _: _left(), lambda *_: None)
    socket_connect_timeout = property(lambda _: _left(), lambda *_: None)

    def send_packed_command(self, *arguments: Any, **options: Any) -> Any:
        """Send a command."""
        self._bound()
        parent: Any = super()
        return parent.send_packed_command(*arguments, **options)

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Return the response to a command."""
        self._bound()
        parent: Any = super()
        return parent.read_response(*arguments, **options)

    def _bound(self) -> None:
        if self._sock is not None:
            self._sock.settimeout(_left())


def _left() -> float:
    return max(_LEAST_SECONDS, _deadline.get() - time.monotonic())


def _may_be_replaced(error: redis.RedisError) -> bool:
    """Return whether an error may go away with a new connection, which may reach another server."""
    if isinstance(error, redis.AuthenticationError):
        return False
    return isinstance(error, (redis.ConnectionError, *_REPLACED_ERRORS)) or bool(_REPLACED.search(str(error)))


def _warn_of_eviction(client: Any) -> None:
    try:
        memory = client.info("memory")
    except redis.RedisError:  # for example because the user has no right to send INFO
        return
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and memory.get("maxmemory"):
        _log.warning(
            "Redis deletes keys when its memory is full (maxmemory-policy is %s): jobs, and answers kept for"
            " Idempotency-Keys, may be lost. Set maxmemory-policy to noeviction.",
            policy,
        )


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
