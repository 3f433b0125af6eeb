"""What `customer-risk golden` does."""

from __future__ import annotations

import sys
from pathlib import Path

from customer_risk.model.errors import ConfigError, GoldenMismatch
from customer_risk.model.files import read_text
from customer_risk.model.terminal import echo
from customer_risk.serving.client import ClientError, RiskClient
from customer_risk.serving.golden_check import check


def golden(url: str, bundle: Path, host: str | None, token_file: Path | None) -> None:
    """Send the golden requests of `bundle` to the server at `url`; exit with 1 at the first wrong answer."""
    try:
        token = read_text(token_file).strip() if token_file else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{token_file} can't be read: {error}.", remedy="Name a file with a token.") from error
    try:
        with RiskClient(url, token=token, host=host) as client:
            count = check(client, bundle)
    except (ClientError, GoldenMismatch) as error:
        echo(f"error: {error}", err=True)
        sys.exit(1)
    echo(f"{count} golden requests answered as they should be by {url}")
