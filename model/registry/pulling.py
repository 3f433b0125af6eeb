"""Downloads a bundle by its hash and verifies it, as a pod does before it serves."""

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
_HIDDEN: Final = "."  # mounted volumes have files whose names begin with it


class _Files(msgspec.Struct):
    """The field that all schema versions of a manifest have; `load_bundle` checks the others."""

    files: dict[str, str]


def pull(version: str, store: Store, out: Path) -> bool:
    """Write the bundle `version` (64 hexadecimal digits) to `out`, all files or none; False if `out` already has it.

    The sha256 of the manifest must be the version, and the manifest must have each file's sha256. Another bundle in
    `out` is replaced. The golden requests aren't checked here: the server checks them before it is ready. Raises
    RegistryError for an alias, an unknown hash, a folder or bucket that can't be read or written, and if `out` has
    files that aren't a bundle; BundleAltered for an altered file.
    """
    if not _HASH.fullmatch(version):
        raise RegistryError(
            f"{version!r} is not the full hash of a bundle. Aliases are refused: a promotion would change the pod.",
            remedy="Give the 64 digits that `customer-risk registry resolve champion` prints.",
        )
    if _holds(out, version):
        return False
    if out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise RegistryError(f"{out} has files that aren't a bundle.", remedy="Give another folder with --out.")
    try:
        with new_folder(out, replace=True) as folder:
            store.download(version, folder)
            check(folder, version)
    except OSError as error:
        raise RegistryError(
            f"The bundle can't be written to {out}: {error}.",
            remedy="Make its parent folder writable, and check that the disk has space.",
        ) from error
    return True


def check(folder: Path, version: str) -> None:
    """Raise BundleAltered unless a folder has all files of the bundle `version` and no others."""
    manifest = _read(folder / MANIFEST)
    if (found := hashlib.sha256(manifest).hexdigest()) != version:
        raise _altered(f"its {MANIFEST} has the sha256 {found}", version)
    try:
        files = msgspec.json.decode(manifest, type=_Files).files
    except msgspec.MsgspecError as error:
        raise _altered(f"its {MANIFEST} can't be read: {error}", version) from error
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if stray := sorted(name for name in there - {*files, MANIFEST} if not name.startswith(_HIDDEN)):
        raise _altered(f"it has {', '.join(stray)}, which its manifest doesn't name", version)
    for name, wanted in files.items():
        if (found := hashlib.sha256(_read(folder / name)).hexdigest()) != wanted:
            raise _altered(f"{name} has the sha256 {found}, but {wanted} in its manifest", version)


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
        remedy="Delete it from the registry, and add it again from its training run.",
    )
