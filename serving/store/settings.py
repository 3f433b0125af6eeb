"""Which store, and how long to wait for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from customer_risk.model.errors import ConfigError

if TYPE_CHECKING:
    from customer_risk.serving.store.interface import Store

_Positive = Annotated[float, msgspec.Meta(gt=0)]


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The shared store's settings.

    kind              "file" for the processes of one machine, "redis" for several pods
    path              the file; its folder must exist; empty: one in the server's run folder, gone with the pod
    url               redis://[user:password@]host:port/database, or rediss:// for TLS
    url_file          a file that holds the URL, for one with a password; read when the store is opened
    prefix            stands before each key in Redis, so that several services may share one
    timeout_seconds   for one operation; then the caller is told to come back
    """

    kind: Literal["file", "redis"] = "file"
    path: str = ""
    url: str = ""
    url_file: str = ""
    prefix: str = "customer-risk:"
    timeout_seconds: _Positive = 2


def open_store(settings: StoreSettings, folder: Path) -> Store:
    """Open what the settings name, in `folder` unless they say otherwise; raises ConfigError where that can't be."""
    if settings.kind == "file":
        from customer_risk.serving.store.file import FileStore  # noqa: PLC0415  only where it is used

        return FileStore(settings.path or str(folder / "customer-risk.store"), timeout=settings.timeout_seconds)
    from customer_risk.serving.store.redis import RedisStore  # noqa: PLC0415  only where it is used

    url = _address(settings)
    try:
        return RedisStore(url, prefix=settings.prefix, timeout=settings.timeout_seconds)
    except ValueError as error:
        where = "store.url_file" if settings.url_file else "store.url"
        raise ConfigError(f"{where} is no address of Redis.", remedy="Write redis://host:port/0.") from error


def _address(settings: StoreSettings) -> str:
    if settings.url and settings.url_file:
        raise ConfigError("store.url and store.url_file are both given.", remedy="Give one.")
    try:
        url = Path(settings.url_file).read_text(encoding="utf-8").strip() if settings.url_file else settings.url
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"store.url_file can't be read: {error}.", remedy="Mount the Secret with the URL.") from error
    if not url:
        raise ConfigError(
            "store.url and store.url_file give no address.", remedy="Give Redis's, or set store.kind to file."
        )
    return url
