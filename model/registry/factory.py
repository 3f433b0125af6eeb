"""Which store a registry's address means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from customer_risk.model.errors import ConfigError
from customer_risk.model.registry.interface import BUCKETS, FolderStore

if TYPE_CHECKING:
    from customer_risk.model.registry.interface import Store


def open_store(where: str | Path, endpoint: str = "") -> Store:
    """Open the store at a folder or at gs://BUCKET/PREFIX; nothing is asked yet.

    `endpoint` is another server than Google's, for buckets alone. Raises ConfigError for an address that is neither.
    """
    text = str(where)
    if text.startswith(BUCKETS):
        from customer_risk.model.registry.bucket import BucketStore

        return BucketStore(text, endpoint)
    if "://" in text:
        raise ConfigError(f"{text!r} is no registry's address.", remedy="Name a folder, or gs://BUCKET/PREFIX.")
    return FolderStore(Path(text))
