"""How the shipper reads the outbox's files."""

from __future__ import annotations

from pathlib import Path

from customer_risk.serving.record.outbox.frames import FRAME, HEADER_BYTES, MAGIC, FrameKind, checksum, seed_of
from customer_risk.serving.record.shipper.files import Files


def test_an_unreadable_file_does_not_block_others(folder: Path, left, caplog) -> None:
    """A file whose content raises an unexpected error is logged once, and the other files are read."""
    file, _ = left(range(3))
    content = b"names that are no JSON"
    source = "0" * 32
    odd = FRAME.pack(len(content), checksum(content, 0, seed_of(source)), 0, FrameKind.NAMES) + content
    (folder / f"{source}.records").write_bytes(MAGIC.ljust(HEADER_BYTES, b"\0") + odd)
    files = Files(folder)
    for _ in range(3):
        assert [(seen.file.source, seen.last) for seen in files.look(now=True)] == [(file.source, 3)]
    assert [each.getMessage().partition(":")[0] for each in caplog.records] == [
        f"the outbox file {source}.records can't be read now"
    ]
