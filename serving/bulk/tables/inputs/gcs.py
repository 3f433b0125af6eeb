"""Parquet objects of a bucket, fetched to this machine's disk one after the other."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from customer_risk.model.errors import ConfigError
from customer_risk.serving.bulk.tables.errors import UnusableInput, speaking_of
from customer_risk.serving.bulk.tables.inputs.interface import Block, Rows, Source
from customer_risk.serving.bulk.tables.inputs.parquet import SUFFIX, opened
from customer_risk.serving.bulk.tables.retry import Patience
from customer_risk.serving.record.sinks.gcs import GcsObjects, GcsSettings

_SECONDS: Final = 5.0  # for a connection, and between two bytes


class GcsInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="gcs"):
    """A bucket's settings; credentials are the environment's (Workload Identity, GOOGLE_APPLICATION_CREDENTIALS).

    bucket     in which this identity may list and get objects
    prefix     every `.parquet` whose name begins with it; an object's whole name for one alone
    endpoint   another than Google's; without credentials where it begins with http:, as an emulator's does
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""

    def source(self, name: str, wanted: Sequence[str]) -> Source:  # noqa: ARG002  a query's alone
        """Make the source, of a model that wants features `wanted`; raises ConfigError without a bucket."""
        if not self.bucket:
            raise ConfigError("input: gcs: `bucket` is empty.", remedy="Name a bucket.")
        return GcsSource(self, wanted)


class Stored(NamedTuple):
    """An object as it is now: another generation is another object."""

    name: str
    generation: int
    size: int


class Bucket(GcsObjects):
    """Objects that are read in pieces, and are too large for memory."""

    def find(self, prefix: str) -> list[Stored]:
        """List the objects whose names begin with `prefix`, in order; raises NotFound, Forbidden, SinkUnavailable."""
        from google.api_core.exceptions import ClientError  # noqa: PLC0415  a second that only this needs

        with self._reaching((ClientError,)):
            found = self._client.list_blobs(
                self._bucket,
                prefix=prefix,
                fields="items(name,generation,size),nextPageToken",
                timeout=_SECONDS,
                retry=None,
            )
            return [Stored(each.name, each.generation, each.size) for each in found]

    def fetch(self, stored: Stored, path: Path) -> None:
        """Fetch an object, whole, to a file; raises NotFound where that generation is gone, SinkUnavailable."""
        from google.api_core.exceptions import NotFound  # noqa: PLC0415  as above

        with self._reaching((NotFound,)), path.open("wb") as file:
            blob = self._bucket.blob(stored.name, generation=stored.generation)
            blob.download_to_file(file, raw_download=True, timeout=_SECONDS, retry=None)


class GcsSource:
    """The objects beneath a prefix, by their names; an object that goes away while it is fetched is fetched again."""

    def __init__(self, settings: GcsInput, wanted: Sequence[str], *, patience: Patience | None = None) -> None:
        self._settings = settings
        self._wanted = wanted
        self._bucket = Bucket(GcsSettings(bucket=settings.bucket, endpoint=settings.endpoint))
        self._patience = patience or Patience(0)

    def identity(self) -> str:
        """Hash the objects' names and generations."""
        return hashlib.sha256(repr(self._stored).encode()).hexdigest()

    def blocks(self) -> Sequence[Block]:
        """Give the objects by name."""
        return [Block(self._called(each), each.size) for each in self._stored]

    @contextmanager
    def open(self, place: int) -> Iterator[Rows]:
        """Fetch an object and open it; it leaves the disk afterwards."""
        from google.api_core.exceptions import NotFound  # noqa: PLC0415  as above

        stored = self._stored[place]
        with tempfile.TemporaryDirectory(prefix="customer-risk-") as folder:
            path = Path(folder) / f"input{SUFFIX}"
            try:
                self._bucket.fetch(stored, path)
            except NotFound as error:
                raise UnusableInput(
                    f"{self._called(stored)} has been replaced or removed while the run lasted.",
                    remedy="Write inputs under a new name each time.",
                ) from error
            with opened(path, self._wanted, self._called(stored)) as rows:
                yield rows

    def close(self) -> None:
        """Let go of connections."""
        self._bucket.close()

    def _called(self, stored: Stored) -> str:
        return f"gs://{self._settings.bucket}/{stored.name}"

    @cached_property
    def _stored(self) -> list[Stored]:
        from google.api_core.exceptions import ClientError  # noqa: PLC0415  as above

        where = f"gs://{self._settings.bucket}/{self._settings.prefix}"
        try:
            with speaking_of("input"):
                found = self._bucket.find(self._settings.prefix)
        except ClientError as error:
            raise ConfigError(
                f"input: gcs: {where} can't be listed: {error}.",
                remedy="Name a bucket that exists, and grant this identity roles/storage.objectViewer there.",
            ) from error
        found = [each for each in found if each.name.endswith(SUFFIX)]
        if not found:
            raise UnusableInput(f"There is no Parquet object at {where}.", remedy="See to what writes it.")
        return found
