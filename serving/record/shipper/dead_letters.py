"""Dead letters: records that a sink refused permanently, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from customer_risk.model.atomic import write_file

DEAD: Final = "dead"
_encode: Final = msgspec.json.Encoder(order="sorted").encode


def bury(folder: Path, sink: str, source: str, letters: Mapping[int, tuple[str, Any]]) -> None:
    """Write records, by number with reason and content, to the outbox's `dead/SINK/`; repeating it has no effect.

    The file is NDJSON, named after the outbox file and the first record. Raises OSError.
    """
    place = folder / DEAD / sink
    place.mkdir(parents=True, exist_ok=True)
    lines = [
        _encode({"source": source, "seq": seq, "error": why, "record": content}) + b"\n"
        for seq, (why, content) in sorted(letters.items())
    ]
    write_file(place / f"{source}-{min(letters)}.ndjson", b"".join(lines), mode=0o600)
