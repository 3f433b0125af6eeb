"""A store in Redis, which many pods may share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from customer_risk.serving.errors import StoreUnavailable

_REPLACE: Final = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_DROPPED: Final = 100  # keys deleted by one command
_REMOVE: Final = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('del', KEYS[1])"


class RedisStore:
    """Keeps values in the Redis at `url`, their keys after `prefix`; raises ValueError if `url` isn't valid."""

    def __init__(self, url: str, *, prefix: str, timeout: float = 2) -> None:
        self._prefix = prefix
        # The client's own retries would multiply the timeout, and repeat an `add` that succeeded without a response.
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )

    def get(self, key: str) -> bytes | None:
        """Return a value, None if there is none or it has expired."""
        value: bytes | None = self._ask(self._redis.get, self._prefix + key)
        return value

    def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Set a value."""
        self._ask(self._redis.set, self._prefix + key, value, px=_milliseconds(seconds))

    def add(self, key: str, value: bytes, *, seconds: float) -> bool:
        """Set a value if there is none; return whether there was none."""
        return bool(self._ask(self._redis.set, self._prefix + key, value, px=_milliseconds(seconds), nx=True))

    def replace(self, key: str, old: bytes, new: bytes, *, seconds: float) -> bool:
        """Set a value if it is `old`; return whether it was."""
        return bool(self._ask(self._redis.eval, _REPLACE, 1, self._prefix + key, old, new, _milliseconds(seconds)))

    def remove(self, key: str, old: bytes | None = None) -> bool:
        """Delete a value, with `old` only if it is `old`; return whether it was there."""
        if old is None:
            return bool(self._ask(self._redis.delete, self._prefix + key))
        return bool(self._ask(self._redis.eval, _REMOVE, 1, self._prefix + key, old))

    def keys(self, prefix: str) -> list[str]:
        """Return the keys with a prefix that haven't expired, in order; scans all keys, a thousand at a time."""
        pattern = self._prefix + re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
        found = self._ask(lambda: list(self._redis.scan_iter(match=pattern, count=1000)))
        return sorted(key.decode().removeprefix(self._prefix) for key in found)

    def drop(self, prefix: str) -> bool:
        """Delete all keys with a prefix; return False: none is left. Redis frees their memory in the background."""
        keys = self.keys(prefix)
        for first in range(0, len(keys), _DROPPED):
            self._ask(self._redis.unlink, *(self._prefix + key for key in keys[first : first + _DROPPED]))
        return False

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _ask(self, command: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailable from error


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
