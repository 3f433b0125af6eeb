"""The record in a bucket of Google Cloud Storage: compressed lines of JSON, written once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.sinks.interface import SinkUnavailable

if TYPE_CHECKING:
    from customer_risk.serving.record.sinks.interface import Sink

_SECONDS: Final = 5.0  # for a connection, and between two bytes of an answer
_ONCE: Final[dict[str, Any]] = {"timeout": _SECONDS, "retry": None}  # the shipper tries again, and says so
_NEEDED: Final = ("storage.objects.create", "storage.objects.get", "storage.objects.list")
_TYPES: Final = {"json": "application/json", "gz": "application/gzip", "parquet": "application/vnd.apache.parquet"}


class GcsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="gcs"):
    """A bucket's settings; credentials are the environment's (Workload Identity, GOOGLE_APPLICATION_CREDENTIALS).

    bucket     that exists, in which this identity may create, get and list objects
    prefix     of every object's name; none: the bucket is the record's alone
    endpoint   another than Google's; without credentials where it begins with http:, as an emulator's does
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""

    def objects(self) -> GcsObjects:
        """Give the bucket's objects; nothing is asked yet. Raises ConfigError without a bucket."""
        if not self.bucket:
            raise ConfigError("record.ship.sinks: gcs: `bucket` is empty.", remedy="Name a bucket.")
        return GcsObjects(self)

    def open(self, shipper: str) -> Sink:
        """Make the sink; `shipper` names the chain of manifests that it writes. Raises ConfigError without a bucket."""
        from customer_risk.serving.record.sinks.ndjson import SUFFIX, Lines  # noqa: PLC0415  only where it is used
        from customer_risk.serving.record.sinks.objects import ObjectSink  # noqa: PLC0415

        return ObjectSink("gcs", self.objects(), Lines().encode, SUFFIX, shipper)


class GcsObjects:
    """Objects of a bucket; a server that hangs raises SinkUnavailable after five seconds' silence.

    `page` is how many keys are asked for at once.
    """

    def __init__(self, settings: GcsSettings, *, page: int = 1000) -> None:
        self._settings = settings
        self._page = page
        self._prefix = f"{settings.prefix.strip('/')}/".lstrip("/")

    def check(self) -> None:
        """Raise ConfigError without credentials, a bucket and the right to write to it."""
        from google.api_core import exceptions  # noqa: PLC0415  a second that only those who use the bucket need
        from google.auth.exceptions import InvalidOperation, RefreshError  # noqa: PLC0415

        wrong = (
            exceptions.BadRequest,
            exceptions.Unauthorized,
            exceptions.Forbidden,
            exceptions.NotFound,
            RefreshError,
            InvalidOperation,  # where none are sent and some are wanted
        )
        try:
            with self._reaching(wrong):
                next(iter(self._client.list_blobs(self._bucket, prefix=self._prefix, max_results=1, **_ONCE)), None)
        except wrong as error:
            if getattr(error, "retryable", False):
                raise SinkUnavailable(
                    f"The credentials can't be used now: {error}.", remedy="It is tried again."
                ) from error
            raise ConfigError(
                f"record.ship.sinks: gcs: the bucket {self._settings.bucket!r} can't be used: {error}.",
                remedy="Name a bucket that exists, and let this identity create, get and list its objects.",
            ) from error
        try:
            with self._reaching((exceptions.ClientError,)):
                granted = self._bucket.test_iam_permissions(_NEEDED, **_ONCE)
        except exceptions.ClientError:
            return  # what can't be asked is told by the first write
        if missing := sorted(set(_NEEDED) - set(granted)):
            raise ConfigError(
                f"record.ship.sinks: gcs: this identity lacks {', '.join(missing)} in the bucket "
                f"{self._settings.bucket!r}.",
                remedy="Grant it roles/storage.objectCreator and roles/storage.objectViewer there.",
            )

    def get(self, key: str) -> bytes | None:
        """Give an object, None where there is none."""
        from google.api_core.exceptions import NotFound  # noqa: PLC0415  as above

        try:
            with self._reaching((NotFound,)):
                data: bytes = self._blob(key).download_as_bytes(raw_download=True, **_ONCE)
                return data
        except NotFound:
            return None

    def create(self, key: str, data: bytes) -> bool:
        """Write an object; False, and nothing written, where there is one."""
        from google.api_core.exceptions import PreconditionFailed  # noqa: PLC0415  as above

        kind = _TYPES[key.rpartition(".")[2]]
        try:
            with self._reaching((PreconditionFailed,)):
                self._blob(key).upload_from_string(data, kind, if_generation_match=0, **_ONCE)
        except PreconditionFailed:
            return False
        return True

    def list(self, prefix: str) -> Iterator[str]:
        """Give the keys that begin with `prefix`, in order."""
        with self._reaching():
            for blob in self._client.list_blobs(
                self._bucket,
                prefix=f"{self._prefix}{prefix}",
                page_size=self._page,
                fields="items(name),nextPageToken",
                **_ONCE,
            ):
                yield blob.name.removeprefix(self._prefix)

    def delete(self, key: str) -> None:
        """Delete an object, if there is one; what the bucket keeps of deleted ones is the bucket's setting."""
        from google.api_core.exceptions import NotFound  # noqa: PLC0415  as above

        try:
            with self._reaching((NotFound,)):
                self._blob(key).delete(**_ONCE)
        except NotFound:
            return

    def close(self) -> None:
        """Close connections, if any were made."""
        if "_client" in self.__dict__:
            self._client.close()

    def _blob(self, key: str) -> Any:
        return self._bucket.blob(f"{self._prefix}{key}")

    @cached_property
    def _bucket(self) -> Any:
        return self._client.bucket(self._settings.bucket)

    @cached_property
    def _client(self) -> Any:
        import google.auth  # noqa: PLC0415  as above
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415
        from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415
        from google.auth.transport.requests import AuthorizedSession  # noqa: PLC0415
        from google.cloud.storage import Client  # type: ignore[import-untyped]  # noqa: PLC0415

        # It would ask for the bucket's place in threads of its own, and go on asking a server that hangs.
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        endpoint = self._settings.endpoint
        if endpoint.startswith("http:"):
            credentials: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]
        else:
            try:
                credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/devstorage.read_write"])
            except DefaultCredentialsError as error:
                raise ConfigError(
                    f"record.ship.sinks: gcs: there are no credentials: {error}",
                    remedy="Run with Workload Identity, or set GOOGLE_APPLICATION_CREDENTIALS.",
                ) from error
        return Client(
            project="none",  # no call here is a project's
            credentials=credentials,
            _http=AuthorizedSession(credentials, refresh_timeout=_SECONDS),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": endpoint} if endpoint else None,
        )

    @contextmanager
    def _reaching(self, answers: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Raise SinkUnavailable for whatever goes wrong, but for `answers`."""
        import requests  # noqa: PLC0415  as above
        import urllib3  # noqa: PLC0415
        from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
        from google.cloud.storage.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
            DataCorruption,
            InvalidResponse,
        )

        faults = (GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption, OSError)
        try:
            yield
        except answers:
            raise
        except (*faults, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise SinkUnavailable(
                f"The bucket {self._settings.bucket!r} fails: {error}.",
                remedy="It is tried again; see to the network, the bucket and this identity's rights.",
            ) from error
