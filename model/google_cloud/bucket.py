"""A bucket of Google Cloud Storage: objects under a prefix, each overwritten only if its generation is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud.storage import Client  # type: ignore[import-untyped]
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse  # type: ignore[import-untyped]
from google.cloud.storage.retry import DEFAULT_RETRY  # type: ignore[import-untyped]

from customer_risk.model.google_cloud.credentials import ONCE, SECONDS, client_arguments
from customer_risk.model.google_cloud.errors import FAULTS, translated

# For reads by a command or a new pod: its network and identity may become available after it starts.
RETRIED: Final[Mapping[str, Any]] = {"timeout": SECONDS, "retry": DEFAULT_RETRY.with_timeout(10.0)}
_FAULTS: Final = (*FAULTS, InvalidResponse, DataCorruption)
_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
_TYPES: Final = {"json": "application/json", "gz": "application/gzip", "parquet": "application/vnd.apache.parquet"}


class Stored(NamedTuple):
    """A stored object at one generation; its name is without the prefix."""

    name: str
    generation: int
    size: int


class Bucket:
    """The objects of the bucket `name` whose names begin with `prefix`; no request is sent before the first call.

    setting   the setting named in messages about missing credentials
    failure   returns the error to raise for an unexpected error of Google's clients
    reads     timeout and retry of a read; writes are tried once
    """

    def __init__(
        self,
        name: str,
        prefix: str = "",
        *,
        endpoint: str,
        setting: str,
        failure: Callable[[Exception], Exception],
        reads: Mapping[str, Any] = ONCE,
    ) -> None:
        self.name = name
        self.prefix = f"{prefix.strip('/')}/".lstrip("/")
        self._endpoint = endpoint
        self._setting = setting
        self._failure = failure
        self._reads = reads

    def get(self, name: str) -> tuple[bytes, int] | None:
        """Return an object's bytes and its generation, None if it doesn't exist."""
        blob = self.handle.blob(f"{self.prefix}{name}")
        try:
            with self.reaching(NotFound):
                data: bytes = blob.download_as_bytes(raw_download=True, **self._reads)
        except NotFound:
            return None
        return data, blob.generation

    def download(self, stored: Stored, path: Path) -> None:
        """Write an object to a file; raises NotFound if that generation no longer exists."""
        blob = self.handle.blob(f"{self.prefix}{stored.name}", generation=stored.generation)
        with self.reaching(NotFound), path.open("wb") as file:
            blob.download_to_file(file, raw_download=True, **self._reads)

    def put(self, name: str, data: bytes, *, generation: int = 0) -> bool:
        """Write an object if it has the generation (0: if it doesn't exist); return whether it was written."""
        blob = self.handle.blob(f"{self.prefix}{name}")
        kind = _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
        try:
            with self.reaching(PreconditionFailed):
                # Not retried: the generation shows the next writer whether a write without a response succeeded.
                blob.upload_from_string(data, kind, if_generation_match=generation, **ONCE)
        except PreconditionFailed:
            return False
        return True

    def list(self, prefix: str = "", *answers: type[Exception], **options: Any) -> Iterator[Stored]:
        """Yield the objects whose names begin with `prefix`, in order; raises the errors `answers` unchanged."""
        fields = "items(name,generation,size),nextPageToken"
        with self.reaching(*answers):
            for blob in self.client.list_blobs(
                self.handle, prefix=f"{self.prefix}{prefix}", fields=fields, **options, **self._reads
            ):
                yield Stored(blob.name.removeprefix(self.prefix), blob.generation, blob.size)

    def delete(self, name: str) -> None:
        """Delete an object if it exists; the bucket's settings say which deleted objects are kept."""
        try:
            with self.reaching(NotFound):
                self.handle.blob(f"{self.prefix}{name}").delete(**ONCE)
        except NotFound:
            return

    def close(self) -> None:
        """Close the connections, if any were made."""
        if "client" in self.__dict__:
            self.client.close()

    def reaching(self, *answers: type[Exception]) -> AbstractContextManager[None]:
        """Convert errors of Google's clients, except `answers`, with `failure`."""
        return translated(self._failure, answers, _FAULTS)

    @cached_property
    def handle(self) -> Any:
        """The client's own object for the bucket."""
        return self.client.bucket(self.name)

    @cached_property
    def client(self) -> Any:
        """The client; raises ConfigError without credentials."""
        # Otherwise the client requests the bucket's location in threads, repeatedly if the server doesn't respond.
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        # No call here needs a project.
        return Client(project="none", **client_arguments(self._endpoint, _SCOPE, self._setting))
