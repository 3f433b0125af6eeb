"""The interface of outbox files, for every form."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple, Protocol

from customer_risk.model.atomic import write_file

QUARANTINE: Final = "quarantine"  # folder in the outbox's folder, for files and records that can't be read


class NumberedRecord(NamedTuple):
    """A record with its number in its file, from 1 on."""

    seq: int
    body: bytes


class OutboxFile(Protocol):
    """One file of the outbox. All methods raise OSError if the file can't be read now; any thread may call them."""

    @property
    def path(self) -> Path:
        """The path of the file."""

    @property
    def source(self) -> str:
        """The file's name without its suffix, under which its records are shipped."""

    @property
    def damaged(self) -> int:
        """The number of damaged records that `read` has found."""

    @property
    def alive(self) -> bool:
        """Whether a process still writes the file."""

    def last(self) -> int:
        """Return the number of the last record, 0 without records; in a damaged file, of the last readable record."""

    def read(self, after: int, most: int) -> list[NumberedRecord]:
        """Return the records with numbers above `after`, in order, without damaged ones.

        Tries at most `most` numbers.
        """

    def names(self, names_hash: str) -> tuple[str, ...]:
        """Return the features' names by their hash; raises KeyError if the file doesn't have them."""

    def whole(self) -> bool:
        """Read the whole file; return whether all of it can be read."""

    def used(self) -> int:
        """Return the number of bytes that the file's records take."""

    def size(self) -> int:
        """Return the number of bytes that the file takes on the disk."""

    def shrink(self) -> None:
        """Free the space that a killed process allocated and didn't use."""

    def remove(self) -> None:
        """Delete the file and the files beside it that belong to it."""

    def quarantine(self) -> None:
        """Move the file to quarantine: its other records can't be read."""


def quarantine_record(file: OutboxFile, seq: int, body: bytes) -> None:
    """Write the bytes of a damaged record to quarantine."""
    aside = file.path.parent / QUARANTINE
    aside.mkdir(exist_ok=True)
    write_file(aside / f"{file.source}-{seq}.record", body, mode=0o600)
