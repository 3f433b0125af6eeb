"""Finds the outbox's files of this release and of earlier ones."""

from __future__ import annotations

from pathlib import Path

from customer_risk.serving.record.outbox.file import OutboxFile
from customer_risk.serving.record.outbox.frames import SUFFIX
from customer_risk.serving.record.outbox.records_file import RecordsFile
from customer_risk.serving.record.outbox.sqlite_file import SQLITE_SUFFIX, SqliteFile


def find_files(folder: Path, *, quarantine: bool = False) -> list[OutboxFile]:
    """Return the outbox's files, the oldest first. With `quarantine`, reading copies damaged records there."""
    found: list[OutboxFile] = [RecordsFile(path, quarantine=quarantine) for path in folder.glob(f"*{SUFFIX}")]
    found += [SqliteFile(path, quarantine=quarantine) for path in folder.glob(f"*{SQLITE_SUFFIX}")]
    return sorted(found, key=lambda file: file.source)
