"""A registry in a bucket of Google Cloud Storage: the same names as in a folder, an object's generation as the tag."""

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

_ABSENT: Final = "0"  # the generation of an object that isn't there
_MANIFEST_NAME: Final = re.compile(rf"bundles/([0-9a-f]{{64}})/{re.escape(MANIFEST)}")


class BucketStore:
    """Objects `PREFIX/aliases.json` and `PREFIX/bundles/<sha256>/...` of a bucket.

    `endpoint` is another server than Google's; where it begins with http: no credentials are sent, as emulators want
    it. Nothing waits longer than about 20 seconds for a server that doesn't answer. Raises RegistryError where the
    bucket can't be used, ConfigError where it isn't named or there are no credentials.
    """

    def __init__(self, where: str, endpoint: str = "") -> None:
        name, _, prefix = where.removeprefix(BUCKETS).partition("/")
        if not where.startswith(BUCKETS) or not name:
            raise ConfigError(f"{where!r} names no bucket.", remedy="Write gs://BUCKET or gs://BUCKET/PREFIX.")
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
            next(self._bucket.list(max_results=1), None)  # an absent bucket is 404 too, and no empty registry
            return None, _ABSENT
        return found[0], str(found[1])

    def swap(self, tag: str, content: bytes) -> bool:
        """Replace the document if its generation is still `tag`."""
        return self._bucket.put(DOCUMENT, content, generation=int(tag))

    def versions(self) -> list[str]:
        """Return the name of every bundle that is whole: its manifest is written last."""
        names = [stored.name for stored in self._bucket.list("bundles/")]
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
        prefix = f"bundles/{version}/"
        names = [stored.name for stored in self._bucket.list(prefix)]
        if prefix + MANIFEST not in names:
            raise RegistryError(
                f"{self._root}{prefix} holds no bundle.",
                remedy="`customer-risk registry list` shows those held; `registry add` puts one in.",
            )
        for name in names:
            path = into / name.removeprefix(prefix)
            if not path.resolve().is_relative_to(into.resolve()):
                raise RegistryError(
                    f"{name} would be written outside of {into}.", remedy="Remove that object: it is an attack."
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._content(name))

    def _once(self, name: str, content: bytes) -> None:
        """Write an object; one that is there already must be the same."""
        if self._bucket.put(name, content) or self._content(name) == content:
            return
        raise RegistryError(
            f"{self._root}{name} holds something else than the bundle does.",
            remedy="It was altered: delete it, and add the bundle again.",
        )

    def _content(self, name: str) -> bytes:
        found = self._bucket.get(name)
        if found is None:
            raise RegistryError(f"{self._root}{name} was removed meanwhile.", remedy="Try again.")
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
        return RegistryError(f"{place} isn't there: {error}.", remedy="Name a bucket that exists.")
    return RegistryError(
        f"{place} can't be reached: {error}.",
        remedy="Try again; see to the network, the bucket and this identity's rights.",
    )
