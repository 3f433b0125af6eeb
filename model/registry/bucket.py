"""A registry in a bucket of Google Cloud Storage: the same names as in a folder, an object's generation as the tag."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import weakref
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from customer_risk.model.errors import ConfigError, RegistryError
from customer_risk.model.registry.interface import DOCUMENT, MANIFEST, copy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEME: Final = "gs://"
_ABSENT: Final = "0"  # the generation of an object that isn't there
_CONNECT_SECONDS: Final = 5.0
_SILENCE_SECONDS: Final = 5.0  # between two bytes of an answer
_RETRY_SECONDS: Final = 10.0
_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
_MANIFEST_NAME: Final = re.compile(rf"bundles/([0-9a-f]{{64}})/{re.escape(MANIFEST)}")


class BucketStore:
    """Objects `PREFIX/aliases.json` and `PREFIX/bundles/<sha256>/...` of a bucket.

    `endpoint` is another server than Google's; where it begins with http: no credentials are sent, as emulators want
    it. Nothing waits longer than about 20 seconds for a server that doesn't answer. Raises RegistryError where the
    bucket can't be used, ConfigError where it isn't named or there are no credentials.
    """

    def __init__(self, where: str, endpoint: str = "") -> None:
        name, _, prefix = where.removeprefix(SCHEME).partition("/")
        if not where.startswith(SCHEME) or not name:
            raise ConfigError(f"{where!r} names no bucket.", remedy="Write gs://BUCKET or gs://BUCKET/PREFIX.")
        prefix = prefix.strip("/")
        self._name = name
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = endpoint
        self.where = f"{SCHEME}{name}/{self._prefix}{DOCUMENT}"

    def read(self) -> tuple[bytes | None, str]:
        """Give the document and its generation."""
        from google.api_core.exceptions import NotFound  # noqa: PLC0415  a second that only buckets need

        blob = self._blob(DOCUMENT)
        try:
            with self._reaching((NotFound,)):
                content: bytes = blob.download_as_bytes(**self._again)
        except NotFound:
            self._exists()
            return None, _ABSENT
        return content, str(blob.generation)

    def swap(self, tag: str, content: bytes) -> bool:
        """Replace the document if its generation is still `tag`."""
        return self._upload(DOCUMENT, content, generation=int(tag))

    def versions(self) -> list[str]:
        """Name every bundle that is whole: its manifest is written last."""
        with self._reaching():
            found = self._client.list_blobs(
                self._bucket, prefix=f"{self._prefix}bundles/", fields="items(name),nextPageToken", **self._again
            )
            names = [blob.name.removeprefix(self._prefix) for blob in found]
        return sorted(match[1] for name in names if (match := _MANIFEST_NAME.fullmatch(name)))

    def keep(self, bundle: Path, verify: Callable[[Path], object]) -> str:
        """Verify a copy (the source may change meanwhile), then write its files, the manifest last."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "bundle")
            version = copy_of(bundle, copy)
            if version in self.versions():
                verify(self.fetch(version))
                return version
            verify(copy)
            files = sorted((path for path in copy.rglob("*") if path.is_file()), key=lambda path: path.name == MANIFEST)
            for path in files:
                self._once(f"bundles/{version}/{path.relative_to(copy).as_posix()}", path.read_bytes())
        return version

    def fetch(self, version: str) -> Path:
        """Download the bundle into a folder that is removed with this store; RegistryError where it isn't held."""
        place = self._local / version
        if not place.is_dir():
            aside = Path(tempfile.mkdtemp(dir=self._local))
            self.download(version, aside)
            aside.rename(place)
        return place

    def download(self, version: str, into: Path) -> None:
        """Download a bundle's files as they are; RegistryError where it isn't held."""
        prefix = f"{self._prefix}bundles/{version}/"
        with self._reaching():
            blobs = list(self._client.list_blobs(self._bucket, prefix=prefix, **self._again))
        if prefix + MANIFEST not in {blob.name for blob in blobs}:
            raise RegistryError(
                f"{SCHEME}{self._name}/{prefix} holds no bundle.",
                remedy="`customer-risk registry list` shows those held; `registry add` puts one in.",
            )
        for blob in blobs:
            path = into / blob.name.removeprefix(prefix)
            if not path.resolve().is_relative_to(into.resolve()):
                raise RegistryError(
                    f"{blob.name} would be written outside of {into}.", remedy="Remove that object: it is an attack."
                )
            with self._reaching():
                content = blob.download_as_bytes(**self._again)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def _once(self, name: str, content: bytes) -> None:
        """See to it that an object is there; one that is already must be the same."""
        if self._upload(name, content, generation=0):
            return
        with self._reaching():
            there: bytes = self._blob(name).download_as_bytes(**self._again)
        if hashlib.sha256(there).digest() != hashlib.sha256(content).digest():
            raise RegistryError(
                f"{SCHEME}{self._name}/{self._prefix}{name} holds something else than the bundle does.",
                remedy="It was altered: delete it, and add the bundle again.",
            )

    def _upload(self, name: str, content: bytes, *, generation: int) -> bool:
        from google.api_core.exceptions import PreconditionFailed  # noqa: PLC0415  as above

        kind = "application/json" if name.endswith(".json") else "application/octet-stream"
        try:
            with self._reaching((PreconditionFailed,)):
                # Not tried again: whether a write that wasn't answered took place, its generation tells the next one.
                timeout = (_CONNECT_SECONDS, _SILENCE_SECONDS)
                self._blob(name).upload_from_string(
                    content, kind, if_generation_match=generation, timeout=timeout, retry=None
                )
        except PreconditionFailed:
            return False
        return True

    def _exists(self) -> None:
        """Tell an empty registry from a bucket that isn't there: both say 404 of an object."""
        with self._reaching():
            next(iter(self._client.list_blobs(self._bucket, max_results=1, **self._again)), None)

    def _blob(self, name: str) -> Any:
        return self._bucket.blob(f"{self._prefix}{name}")

    @cached_property
    def _again(self) -> dict[str, Any]:
        """Reads are tried again for a while: a pod's network and identity may come up after it."""
        from google.cloud.storage.retry import DEFAULT_RETRY  # type: ignore[import-untyped]  # noqa: PLC0415  as above

        return {"timeout": (_CONNECT_SECONDS, _SILENCE_SECONDS), "retry": DEFAULT_RETRY.with_timeout(_RETRY_SECONDS)}

    @cached_property
    def _local(self) -> Path:
        folder = tempfile.mkdtemp(prefix="customer-risk-registry-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    @cached_property
    def _bucket(self) -> Any:
        return self._client.bucket(self._name)

    @cached_property
    def _client(self) -> Any:
        import google.auth  # noqa: PLC0415  as above
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415
        from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415
        from google.auth.transport.requests import AuthorizedSession  # noqa: PLC0415
        from google.cloud.storage import Client  # type: ignore[import-untyped]  # noqa: PLC0415

        if self._endpoint.startswith("http:"):
            credentials: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]
        else:
            try:
                credentials, _ = google.auth.default(scopes=[_SCOPE])
            except DefaultCredentialsError as error:
                raise ConfigError(
                    f"{self.where}: there are no credentials: {error}",
                    remedy="Run with Workload Identity, `gcloud auth application-default login`, or set "
                    "GOOGLE_APPLICATION_CREDENTIALS.",
                ) from error
        return Client(
            project="none",  # no call here is a project's
            credentials=credentials,
            _http=AuthorizedSession(credentials, refresh_timeout=_SILENCE_SECONDS),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": self._endpoint} if self._endpoint else None,
        )

    @contextmanager
    def _reaching(self, answers: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Raise RegistryError for whatever goes wrong, but for `answers`."""
        import requests  # noqa: PLC0415  as above
        from google.api_core import exceptions  # noqa: PLC0415
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
        from google.cloud.storage.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
            DataCorruption,
            InvalidResponse,
        )

        place = f"The registry in {SCHEME}{self._name}"
        try:
            yield
        except answers:
            raise
        except (exceptions.Forbidden, exceptions.Unauthorized) as error:
            raise RegistryError(
                f"{place} refuses this identity: {error}.",
                remedy="Grant it roles/storage.objectViewer there to read, roles/storage.objectUser to change it.",
            ) from error
        except exceptions.NotFound as error:
            raise RegistryError(f"{place} isn't there: {error}.", remedy="Name a bucket that exists.") from error
        except (
            *(exceptions.GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption),
            *(requests.RequestException, OSError),
        ) as error:
            raise RegistryError(
                f"{place} can't be reached: {error}.",
                remedy="Try again; see to the network, the bucket and this identity's rights.",
            ) from error
