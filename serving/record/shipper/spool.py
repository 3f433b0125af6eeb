"""The spool: where a pod that ends leaves what it couldn't ship, for another pod's shipper.

A folder of the spool is a whole outbox with its progress and its shipper's identity. It is copied under another name,
and renamed once it is whole: from then on it is the one that counts, and what stands in the old place is removed.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from customer_risk.model.atomic import sync_folder, sync_tree, write_file
from customer_risk.model.errors import ConfigError
from customer_risk.serving.record.outbox.file import QUARANTINE
from customer_risk.serving.record.outbox.frames import SUFFIX
from customer_risk.serving.record.outbox.reader import find_files
from customer_risk.serving.record.outbox.sqlite_file import SQLITE_SUFFIX
from customer_risk.serving.record.shipper.dead_letters import DEAD
from customer_risk.serving.record.shipper.progress import NAME as PROGRESS

_MARK: Final = "spooling"  # in the outbox: the name of the copy that may have taken its place
_PARTIAL: Final = ".partial"
_LETTERS: Final = (DEAD, QUARANTINE)
_log = logging.getLogger("serving.record")


def spool(folder: Path, spool_folder: Path, shipper: str) -> None:
    """Move an outbox that nobody writes any more to the spool, with the progress, whose file must be closed.

    Raises OSError, and the outbox is as it was.
    """
    place = spool_folder / shipper
    partial = place.with_name(place.name + _PARTIAL)
    spool_folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _copy(folder, partial)
        write_file(folder / _MARK, partial.name.encode())
        partial.rename(place)
    except OSError:
        if partial.exists():  # the mark first: without the partial copy it would mean that the spool has the files
            (folder / _MARK).unlink(missing_ok=True)
            shutil.rmtree(partial, ignore_errors=True)
        raise
    sync_folder(spool_folder)
    _remove(folder)


def recover(folder: Path, spool_folder: Path | None) -> None:
    """Finish a move that was cut short: what was renamed is another's now, what wasn't is ours still.

    Raises ConfigError where that can't be told, since the spool isn't there.
    """
    mark = folder / _MARK
    if not mark.exists():
        return
    if spool_folder is None or not spool_folder.is_dir():
        raise ConfigError(
            "record.ship.spool isn't there, and the outbox was on its way to it.", remedy="Mount the same spool again."
        )
    partial = spool_folder / mark.read_text()
    if partial.exists():
        shutil.rmtree(partial)
        mark.unlink()
    else:
        _remove(folder)


def spooled(spool_folder: Path) -> list[Path]:
    """Find the outboxes that were left, the whole ones alone."""
    if not spool_folder.is_dir():
        return []
    return sorted(path for path in spool_folder.iterdir() if path.is_dir() and not path.suffix)


def has_letters(folder: Path) -> bool:
    """Return whether an outbox has dead letters, or files in quarantine."""
    return any((folder / name).is_dir() for name in _LETTERS)


def discard(folder: Path) -> None:
    """Remove a spooled outbox that is empty; dead letters and what is in quarantine stay, in `<folder>.letters`."""
    if has_letters(folder):
        kept = folder.with_name(folder.name + ".letters")
        kept.mkdir(exist_ok=True)
        for name in _LETTERS:
            if (folder / name).is_dir():
                (folder / name).rename(kept / name)
    shutil.rmtree(folder)


def _copy(folder: Path, partial: Path) -> None:
    partial.mkdir(0o700)
    for path in _moved(folder):
        shutil.copy(path, partial / path.name)  # with its mode: other users must not read records
    for name in _LETTERS:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, partial / name)
    sync_tree(partial)


def _moved(folder: Path) -> Iterator[Path]:
    for pattern in (f"{PROGRESS}*", f"*{SUFFIX}", f"*{SQLITE_SUFFIX}", f"*{SQLITE_SUFFIX}-wal"):
        yield from folder.glob(pattern)


def _remove(folder: Path) -> None:
    """Remove what was moved; the mark last, so that this too can be cut short."""
    for file in find_files(folder):
        file.remove()
    for name in _LETTERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in folder.glob(f"{PROGRESS}*"):
        path.unlink(missing_ok=True)
    (folder / _MARK).unlink(missing_ok=True)
