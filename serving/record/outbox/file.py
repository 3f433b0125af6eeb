"""The interface of an outbox file, whatever its form."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple, Protocol

from customer_risk.model.atomic import write_file

QUARANTINE: Final = "quarantine"  # the folder, in the outbox's, of files and records that can't be read


class Kept(NamedTuple):
    """A record with its number in its file, from 1 on."""

    seq: int
    body: bytes


class OutboxFile(Protocol):
    """One file of the outbox. All methods raise OSError if it can't be read now; any thread may call."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def source(self) -> str:
        """Its name, by which its records are shipped."""

    @property
    def damaged(self) -> int:
        """The number of damaged records that `read` has found."""

    @property
    def alive(self) -> bool:
        """Whether a process still writes it."""

    def last(self) -> int:
        """Return the number of the last record, 0 if there is none; of a damaged file, of the last readable one."""

    def read(self, after: int, most: int) -> list[Kept]:
        """Return the records with numbers above `after`, in order, without damaged ones.

        At most `most` numbers are looked at. A damaged record is moved to the folder's `quarantine`.
        """

    def names(self, names_hash: str) -> tuple[str, ...]:
        """Return the features' names of a hash; raises KeyError if the file doesn't have them."""

    def whole(self) -> bool:
        """Return whether all of the file can be read; reads all of it."""

    def used(self) -> int:
        """Return the bytes that records take in it."""

    def size(self) -> int:
        """Return the bytes that it takes on the disk."""

    def shrink(self) -> None:
        """Give back the space that a killed process had allocated and not used."""

    def remove(self) -> None:
        """Delete it with all that belongs to it."""

    def set_aside(self) -> None:
        """Move it to quarantine: the rest of it can't be read."""


def set_record_aside(file: OutboxFile, seq: int, body: bytes) -> None:
    """Write a damaged record to quarantine."""
    aside = file.path.parent / QUARANTINE
    aside.mkdir(exist_ok=True)
    write_file(aside / f"{file.source}-{seq}.record", body, mode=0o600)
