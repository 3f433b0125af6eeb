"""The record in a bucket of Google Cloud Storage: objects that are written once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from google.api_core.exceptions import ClientError
from google.auth.exceptions import InvalidOperation, RefreshError

from customer_risk.model.errors import ConfigError
from customer_risk.model.google_cloud.bucket import Bucket
from customer_risk.model.google_cloud.credentials import ONCE
from customer_risk.model.google_cloud.errors import REFUSED, Errors, passes
from customer_risk.serving.record.sinks.interface import SinkUnavailable
from customer_risk.serving.record.sinks.settings import SINKS, GcsSettings

_NEEDED: Final = ("storage.objects.create", "storage.objects.get", "storage.objects.list")
_REFUSED: Final[Errors] = (*REFUSED, RefreshError, InvalidOperation)  # InvalidOperation: no credentials


class GcsObjects:
    """Objects of a bucket; methods raise SinkUnavailable if the server doesn't respond for five seconds.

    Messages name `setting`; `page` is the number of keys in one response.
    """

    def __init__(self, settings: GcsSettings, setting: str = SINKS, *, page: int = 1000) -> None:
        self._setting = f"{setting}: gcs"
        self._page = page
        self._bucket = Bucket(
            settings.bucket,
            settings.prefix,
            endpoint=settings.endpoint,
            setting=self._setting,
            failure=partial(unavailable, settings.bucket),
        )

    def check(self) -> None:
        """Raise ConfigError if the credentials, the bucket or the right to write to it are missing."""
        bucket = self._bucket
        try:
            next(bucket.list("", *_REFUSED, max_results=1), None)
        except _REFUSED as error:
            if passes(error):
                raise unavailable(bucket.name, error) from error
            raise ConfigError(
                f"{self._setting}: the bucket {bucket.name!r} can't be used: {error}.",
                remedy="Name a bucket that exists, and let this identity create, get and list its objects.",
            ) from error
        try:
            with bucket.reaching(ClientError):
                granted = bucket.handle.test_iam_permissions(_NEEDED, **ONCE)
        except ClientError:
            return  # the permissions can't be queried: the first write will show them
        if missing := sorted(set(_NEEDED) - set(granted)):
            raise ConfigError(
                f"{self._setting}: this identity lacks {', '.join(missing)} in the bucket {bucket.name!r}.",
                remedy="Grant it roles/storage.objectCreator and roles/storage.objectViewer there.",
            )

    def get(self, key: str) -> bytes | None:
        """Return an object, or None if it is missing."""
        found = self._bucket.get(key)
        return None if found is None else found[0]

    def create(self, key: str, data: bytes) -> bool:
        """Write an object; return False, without writing, if it exists."""
        return self._bucket.put(key, data)

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`, in order."""
        return (stored.name for stored in self._bucket.list(prefix, page_size=self._page))

    def delete(self, key: str) -> None:
        """Delete an object, if it exists."""
        self._bucket.delete(key)

    def close(self) -> None:
        """Close the connections."""
        self._bucket.close()


def unavailable(bucket: str, error: Exception) -> SinkUnavailable:
    """Return the error of a bucket that can't be used now."""
    return SinkUnavailable(
        f"The bucket {bucket!r} fails: {error}.",
        remedy="The request is repeated; check the network, the bucket and this identity's permissions.",
    )
