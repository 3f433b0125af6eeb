"""Parquet files of a local folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.bulk.tables.inputs.interface import Block, Rows
from customer_risk.serving.bulk.tables.inputs.parquet import SUFFIX, opened


class FolderSource:
    """The files beneath a folder, or one file, by their names."""

    def __init__(self, path: Path, wanted: Sequence[str]) -> None:
        self._path = path
        self._wanted = wanted

    def identity(self) -> str:
        """Return a hash of the files' names, sizes and times."""
        stats = [(str(path), path.stat()) for path in self._files()]
        return hashlib.sha256(
            repr([(path, each.st_size, each.st_mtime_ns) for path, each in stats]).encode()
        ).hexdigest()

    def blocks(self) -> Sequence[Block]:
        """Return the files in order of their names; raises UnusableInput if there are no files."""
        return [Block(str(path), path.stat().st_size) for path in self._files()]

    def open(self, place: int) -> AbstractContextManager[Rows]:
        """Open a file."""
        path = self._files()[place]
        return opened(path, self._wanted, str(path))

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _files(self) -> list[Path]:
        found = [self._path] if self._path.is_file() else sorted(self._path.rglob(f"*{SUFFIX}"))
        found = [path for path in found if path.is_file()]  # at a named pipe, DuckDB would wait for a writer
        if not found:
            raise UnusableInput(f"No Parquet file at {self._path}.", remedy="Check the process that writes it.")
        return found
