"""Chooses the shared store by its settings."""

from __future__ import annotations

from pathlib import Path

from customer_risk.model.errors import ConfigError
from customer_risk.model.files import read_text
from customer_risk.serving.store.file import FileStore
from customer_risk.serving.store.interface import Store
from customer_risk.serving.store.settings import StoreSettings


def open_store(settings: StoreSettings, folder: Path) -> Store:
    """Return the store of the settings, in `folder` unless they say otherwise; raises ConfigError."""
    if settings.kind == "file":
        return FileStore(settings.path or str(folder / "customer-risk.store"), timeout=settings.timeout_seconds)
    from customer_risk.serving.store.redis import RedisStore

    url = _address(settings)
    try:
        return RedisStore(url, prefix=settings.prefix, timeout=settings.timeout_seconds)
    except ValueError as error:
        where = "store.url_file" if settings.url_file else "store.url"
        raise ConfigError(f"{where} is not a valid address of Redis.", remedy="Write redis://host:port/0.") from error


def _address(settings: StoreSettings) -> str:
    if settings.url and settings.url_file:
        raise ConfigError("store.url and store.url_file are both given.", remedy="Give one.")
    try:
        url = read_text(Path(settings.url_file)).strip() if settings.url_file else settings.url
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"store.url_file can't be read: {error}.", remedy="Mount the Secret with the URL.") from error
    if not url:
        raise ConfigError(
            "store.url and store.url_file give no address.",
            remedy="Give the address of Redis, or set store.kind to file.",
        )
    return url
