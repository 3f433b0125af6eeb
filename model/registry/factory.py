"""Opens the store at a registry's address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from customer_risk.model.errors import ConfigError
from customer_risk.model.registry.interface import BUCKETS, FolderStore

if TYPE_CHECKING:
    from customer_risk.model.registry.interface import Store


def open_store(where: str | Path, endpoint: str = "") -> Store:
    """Open the store at a folder or at gs://BUCKET/PREFIX; no request is sent yet.

    `endpoint` is the URL of a server other than Google's, used only for buckets. Raises ConfigError for another
    address.
    """
    text = str(where)
    if text.startswith(BUCKETS):
        from customer_risk.model.registry.bucket import BucketStore

        return BucketStore(text, endpoint)
    if "://" in text:
        raise ConfigError(f"{text!r} is not the address of a registry.", remedy="Give a folder, or gs://BUCKET/PREFIX.")
    return FolderStore(Path(text))
