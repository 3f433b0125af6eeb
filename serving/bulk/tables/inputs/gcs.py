"""Parquet objects of a bucket, fetched to this machine's disk one after the other."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path

from google.api_core.exceptions import ClientError, NotFound

from customer_risk.model.errors import ConfigError
from customer_risk.model.google_cloud.bucket import Bucket, Stored
from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.bulk.tables.inputs.interface import Block, Rows
from customer_risk.serving.bulk.tables.inputs.parquet import SUFFIX, opened
from customer_risk.serving.bulk.tables.inputs.settings import GcsInput
from customer_risk.serving.record.sinks.gcs import unavailable


class GcsSource:
    """The objects beneath a prefix, by their names; an object that disappears during its fetch is fetched again."""

    def __init__(self, settings: GcsInput, wanted: Sequence[str]) -> None:
        self._settings = settings
        self._wanted = wanted
        self._bucket = Bucket(
            settings.bucket,
            endpoint=settings.endpoint,
            setting="input: gcs",
            failure=partial(unavailable, settings.bucket),
        )

    def identity(self) -> str:
        """Return a hash of the objects' names and generations."""
        return hashlib.sha256(repr(self._stored).encode()).hexdigest()

    def blocks(self) -> Sequence[Block]:
        """Return the objects in order of their names."""
        return [Block(self._called(each), each.size) for each in self._stored]

    @contextmanager
    def open(self, place: int) -> Iterator[Rows]:
        """Fetch an object and open it; its file is deleted afterwards."""
        stored = self._stored[place]
        with tempfile.TemporaryDirectory(prefix="customer-risk-") as folder:
            path = Path(folder) / f"input{SUFFIX}"
            try:
                self._bucket.download(stored, path)
            except NotFound as error:
                raise UnusableInput(
                    f"{self._called(stored)} was replaced or removed during the run.",
                    remedy="Write inputs under a new name each time.",
                ) from error
            with opened(path, self._wanted, self._called(stored)) as rows:
                yield rows

    def close(self) -> None:
        """Close the connections."""
        self._bucket.close()

    def _called(self, stored: Stored) -> str:
        return f"gs://{self._settings.bucket}/{stored.name}"

    @cached_property
    def _stored(self) -> list[Stored]:
        where = f"gs://{self._settings.bucket}/{self._settings.prefix}"
        try:
            found = list(self._bucket.list(self._settings.prefix, ClientError))
        except ClientError as error:
            raise ConfigError(
                f"input: gcs: {where} can't be listed: {error}.",
                remedy="Name a bucket that exists, and grant this identity roles/storage.objectViewer there.",
            ) from error
        found = [each for each in found if each.name.endswith(SUFFIX)]
        # A prefix that is an object's whole name means only that object, even if other names begin with it.
        found = [each for each in found if each.name == self._settings.prefix] or found
        if not found:
            raise UnusableInput(f"There is no Parquet object at {where}.", remedy="Check the process that writes it.")
        return found
