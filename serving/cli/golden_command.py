"""What `customer-risk golden` does."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx2

from customer_risk.model.errors import ConfigError, GoldenMismatch
from customer_risk.model.files import read_text
from customer_risk.model.terminal import echo
from customer_risk.serving.golden_check import NoGoldenAnswer, check


def golden(url: str, bundle: Path, host: str | None, token_file: Path | None) -> None:
    """Send the golden requests of `bundle` to the server at `url`; exit with 1 at the first wrong answer."""
    try:
        token = read_text(token_file).strip() if token_file else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{token_file} can't be read: {error}.", remedy="Name a file with a token.") from error
    headers = {"authorization": f"Bearer {token}"} if token else {}
    if host:
        headers["host"] = host
    try:
        http = httpx2.Client(base_url=url, headers=headers)
    except (httpx2.InvalidURL, OSError, ValueError, ImportError) as error:
        raise ConfigError(
            f"No requests can be sent to {url!r}: {error}.",
            remedy="Check the URL, the token, SSL_CERT_FILE and the proxy variables.",
        ) from error
    try:
        with http:
            count = check(http, bundle)
    except (NoGoldenAnswer, GoldenMismatch) as error:
        echo(f"error: {error}", err=True)
        sys.exit(1)
    echo(f"{url} answers all {count} golden requests correctly")
