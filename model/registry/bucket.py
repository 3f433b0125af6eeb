"""A registry in a bucket of Google Cloud Storage: the layout of a folder, with an object's generation as the tag."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from google.api_core.exceptions import Forbidden, NotFound, Unauthorized

from customer_risk.model.errors import ConfigError, RegistryError
from customer_risk.model.google_cloud.bucket import RETRIED, Bucket
from customer_risk.model.registry.interface import BUCKETS, DOCUMENT, MANIFEST, copy_of

if TYPE_CHECKING:
    from collections.abc import Callable

_ABSENT: Final = "0"  # the generation of an object that doesn't exist
_MANIFEST_NAME: Final = re.compile(rf"bundles/([0-9a-f]{{64}})/{re.escape(MANIFEST)}")


class BucketStore:
    """Objects `PREFIX/aliases.json` and `PREFIX/bundles/<sha256>/...` of a bucket.

    `endpoint` is the URL of a server other than Google's, such as an emulator; no credentials are sent to a URL with
    the scheme http. A call waits at most about 20 seconds for a server that doesn't respond. Methods raise
    RegistryError if the bucket can't be used. ConfigError is raised for an address without a bucket, and if there are
    no credentials.
    """

    def __init__(self, where: str, endpoint: str = "") -> None:
        name, _, prefix = where.removeprefix(BUCKETS).partition("/")
        if not where.startswith(BUCKETS) or not name:
            raise ConfigError(f"{where!r} has no bucket name.", remedy="Write gs://BUCKET or gs://BUCKET/PREFIX.")
        self._bucket = Bucket(
            name,
            prefix,
            endpoint=endpoint,
            setting=f"{BUCKETS}{name}",
            failure=partial(_failure, f"The registry in {BUCKETS}{name}"),
            reads=RETRIED,
        )
        self._root = f"{BUCKETS}{name}/{self._bucket.prefix}"
        self.where = f"{self._root}{DOCUMENT}"

    def read(self) -> tuple[bytes | None, str]:
        """Return the document and its generation."""
        found = self._bucket.get(DOCUMENT)
        if found is None:
            next(self._bucket.list(max_results=1), None)  # raises if the bucket doesn't exist, which is 404 too
            return None, _ABSENT
        return found[0], str(found[1])

    def swap(self, tag: str, content: bytes) -> bool:
        """Replace the document if its generation is still `tag`."""
        return self._bucket.put(DOCUMENT, content, generation=int(tag))

    def versions(self) -> list[str]:
        """Return the version of every complete bundle: its manifest is written last."""
        names = [stored.name for stored in self._bucket.list("bundles/")]
        return sorted(match[1] for name in names if (match := _MANIFEST_NAME.fullmatch(name)))

    def keep(self, bundle: Path, verify: Callable[[Path], object]) -> str:
        """Verify a copy, because the source may change meanwhile; then write its files, the manifest last."""
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
        """Download a bundle to a folder that is removed with this store; RegistryError for an unknown version."""
        place = self._local / version
        if not place.is_dir():
            aside = Path(tempfile.mkdtemp(dir=self._local))
            self.download(version, aside)
            aside.rename(place)
        return place

    def download(self, version: str, into: Path) -> None:
        """Download a bundle's files without verifying them; RegistryError for an unknown version."""
        prefix = f"bundles/{version}/"
        names = [stored.name for stored in self._bucket.list(prefix)]
        if prefix + MANIFEST not in names:
            raise RegistryError(
                f"{self._root}{prefix} has no bundle.",
                remedy="`customer-risk registry list` shows the bundles, `customer-risk registry add` adds one.",
            )
        for name in names:
            path = into / name.removeprefix(prefix)
            if not path.resolve().is_relative_to(into.resolve()):
                raise RegistryError(
                    f"{name} would be written outside of {into}.",
                    remedy="Remove the object, and find out who wrote it: a bundle has no such name.",
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._content(name))

    def _once(self, name: str, content: bytes) -> None:
        """Write an object. If it exists already, it must have the same content."""
        if self._bucket.put(name, content) or self._content(name) == content:
            return
        raise RegistryError(
            f"{self._root}{name} differs from the bundle's file.", remedy="Delete it, and add the bundle again."
        )

    def _content(self, name: str) -> bytes:
        found = self._bucket.get(name)
        if found is None:
            raise RegistryError(f"{self._root}{name} was removed while it was read.", remedy="Try again.")
        return found[0]

    @cached_property
    def _local(self) -> Path:
        folder = tempfile.mkdtemp(prefix="customer-risk-registry-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)


def _failure(place: str, error: Exception) -> RegistryError:
    if isinstance(error, Forbidden | Unauthorized):
        return RegistryError(
            f"{place} refuses this identity: {error}.",
            remedy="Grant it roles/storage.objectViewer there to read, roles/storage.objectUser to change it.",
        )
    if isinstance(error, NotFound):
        return RegistryError(f"{place} doesn't exist: {error}.", remedy="Name a bucket that exists.")
    return RegistryError(
        f"{place} can't be reached: {error}.",
        remedy="Check the network, the bucket and this identity's rights, then try again.",
    )
