"""Fetches the issuer's public keys (a JWK set, RFC 7517) from a file or a URL."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2

from customer_risk.model.files import read_file
from customer_risk.model.tokens.keys import MOST_BYTES, KeysUnreadable
from customer_risk.serving.auth.settings import AuthSettings


async def fetch(settings: AuthSettings) -> bytes:
    """Return the key set's bytes; raises KeysUnreadable."""
    try:
        async with asyncio.timeout(settings.timeout_seconds):
            if settings.from_url:
                return await _download(settings.jwks)
            return await asyncio.to_thread(_read, Path(settings.jwks))
    except TimeoutError as error:
        raise KeysUnreadable(f"no complete response within {settings.timeout_seconds:g} s") from error
    except OSError as error:
        raise KeysUnreadable(str(error)) from error


def _read(path: Path) -> bytes:
    return read_file(path, most=MOST_BYTES)


async def _download(url: str) -> bytes:
    try:
        async with httpx2.AsyncClient(follow_redirects=False) as client, client.stream("GET", url) as response:
            if response.status_code != httpx2.codes.OK:
                raise KeysUnreadable(f"status {response.status_code}")
            got = bytearray()
            async for part in response.aiter_bytes():
                got += part
                _require_bounded(got)
            return bytes(got)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise KeysUnreadable(f"{type(error).__name__}: {error}") from error
    except (OSError, ValueError, ImportError) as error:  # raised before a request is sent
        raise KeysUnreadable(f"check SSL_CERT_FILE and the proxy variables: {error}") from error


def _require_bounded(got: bytes | bytearray) -> None:
    if len(got) > MOST_BYTES:
        raise KeysUnreadable(f"more than {MOST_BYTES:,} bytes")
