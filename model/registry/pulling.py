"""A bundle fetched by its hash, as a pod does before it serves: what comes is what was pinned, or nothing does."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

import msgspec

from customer_risk.model.atomic import new_folder
from customer_risk.model.errors import BundleAltered, RegistryError
from customer_risk.model.files import read_file
from customer_risk.model.registry.interface import MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

    from customer_risk.model.registry.interface import Store

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_HIDDEN: Final = "."  # what mounted volumes bring along begins with it


class _Files(msgspec.Struct):
    """What a pull reads of a manifest, whatever its schema's version: `load_bundle` judges the rest."""

    files: dict[str, str]


def pull(version: str, store: Store, out: Path) -> bool:
    """Put the bundle `version` (64 hexadecimal digits) at `out`, whole or not at all; False where it stood there.

    Its manifest's sha256 must be the version, and each file's sha256 the manifest's. Another bundle at `out` is
    replaced. The golden rows are left to the server, which checks them before it is ready. Raises RegistryError for an
    alias, an unknown hash, a place that can't be read or written, and where `out` holds anything but a bundle;
    BundleAltered for a file that isn't what was added.
    """
    if not _HASH.fullmatch(version):
        raise RegistryError(
            f"{version!r} is not a bundle's whole hash, and a pull follows no alias: what runs would change by itself.",
            remedy="Pin the 64 digits that `customer-risk registry resolve champion` prints.",
        )
    if _holds(out, version):
        return False
    if out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise RegistryError(f"{out} holds something that is no bundle.", remedy="Name another folder.")
    try:
        with new_folder(out, replace=True) as folder:
            store.download(version, folder)
            check(folder, version)
    except OSError as error:
        raise RegistryError(
            f"The bundle can't be put at {out}: {error}.",
            remedy="Make the folder above it writable and see that its disk has room.",
        ) from error
    return True


def check(folder: Path, version: str) -> None:
    """Raise BundleAltered unless a folder holds the bundle `version`, all of it and nothing else."""
    manifest = _read(folder / MANIFEST)
    if (found := hashlib.sha256(manifest).hexdigest()) != version:
        raise _altered(f"its {MANIFEST} has the sha256 {found}", version)
    try:
        files = msgspec.json.decode(manifest, type=_Files).files
    except msgspec.MsgspecError as error:
        raise _altered(f"its {MANIFEST} can't be read: {error}", version) from error
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if stray := sorted(name for name in there - {*files, MANIFEST} if not name.startswith(_HIDDEN)):
        raise _altered(f"it holds {', '.join(stray)}, which its manifest doesn't name", version)
    for name, wanted in files.items():
        if (found := hashlib.sha256(_read(folder / name)).hexdigest()) != wanted:
            raise _altered(f"{name} has the sha256 {found}, its manifest says {wanted}", version)


def _holds(folder: Path, version: str) -> bool:
    try:
        check(folder, version)
    except BundleAltered:
        return False
    return True


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise BundleAltered(
            f"{path} can't be read ({error.strerror}).", remedy="Add the bundle to the registry again."
        ) from error


def _altered(how: str, version: str) -> BundleAltered:
    return BundleAltered(
        f"The bundle {version} was altered: {how}.",
        remedy="Delete what the registry holds of it, and add the bundle again from where it was trained.",
    )
