"""The lock that allows one shipper for each outbox folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

NAME: Final = "shipper.lock"


class Lock:
    """A folder's lock, which is released when its holder's process ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: int | None = None

    def take(self) -> bool:
        """Take the lock; return False if another process has it or the folder was removed."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_ino == self._path.stat().st_ino:  # otherwise its holder removed it with the folder
                self._file = file
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            if self._file is None:
                os.close(file)
        return False

    def release(self) -> None:
        """Release the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
