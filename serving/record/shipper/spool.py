"""The spool: a folder to which a pod that ends moves its unshipped outbox, for another pod's shipper.

Each folder of the spool is a whole outbox with its progress and its shipper's identity. It is copied under a temporary
name and then renamed. From then on the copy is valid, and the original is removed.
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

_MARK: Final = "spooling"  # file in the outbox with the temporary name of the copy
_PARTIAL: Final = ".partial"
_LETTERS: Final = (DEAD, QUARANTINE)
_log = logging.getLogger("serving.record")


def spool(folder: Path, spool_folder: Path, shipper: str) -> None:
    """Move an outbox without a writer to the spool, with its progress; the progress must be closed.

    Raises OSError; the outbox is then unchanged.
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
        if partial.exists():  # delete the mark first: a mark without a partial copy means that the move succeeded
            (folder / _MARK).unlink(missing_ok=True)
            shutil.rmtree(partial, ignore_errors=True)
        raise
    sync_folder(spool_folder)
    _remove(folder)


def recover(folder: Path, spool_folder: Path | None) -> None:
    """Complete an interrupted move if the copy was renamed; otherwise undo it.

    Raises ConfigError if the spool is missing, since the state of the move is then unknown.
    """
    mark = folder / _MARK
    if not mark.exists():
        return
    if spool_folder is None or not spool_folder.is_dir():
        raise ConfigError(
            "record.ship.spool is missing, and a move of the outbox to it was interrupted.",
            remedy="Mount the same spool again.",
        )
    partial = spool_folder / mark.read_text()
    if partial.exists():
        shutil.rmtree(partial)
        mark.unlink()
    else:
        _remove(folder)


def spooled(spool_folder: Path) -> list[Path]:
    """Return the outboxes in the spool, without partial copies."""
    if not spool_folder.is_dir():
        return []
    return sorted(path for path in spool_folder.iterdir() if path.is_dir() and not path.suffix)


def has_letters(folder: Path) -> bool:
    """Return whether an outbox has dead letters, or files in quarantine."""
    return any((folder / name).is_dir() for name in _LETTERS)


def discard(folder: Path) -> None:
    """Remove an empty outbox from the spool; its dead letters and quarantine are kept in `<folder>.letters`."""
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
        shutil.copy(path, partial / path.name)  # keeps the mode, so that other users can't read records
    for name in _LETTERS:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, partial / name)
    sync_tree(partial)


def _moved(folder: Path) -> Iterator[Path]:
    for pattern in (f"{PROGRESS}*", f"*{SUFFIX}", f"*{SQLITE_SUFFIX}", f"*{SQLITE_SUFFIX}-wal"):
        yield from folder.glob(pattern)


def _remove(folder: Path) -> None:
    """Remove the original of a moved outbox, the mark last, so that an interruption can be recovered."""
    for file in find_files(folder):
        file.remove()
    for name in _LETTERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in folder.glob(f"{PROGRESS}*"):
        path.unlink(missing_ok=True)
    (folder / _MARK).unlink(missing_ok=True)
