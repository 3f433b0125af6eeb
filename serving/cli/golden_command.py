"""What `customer-risk golden` does."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from customer_risk.model.errors import ConfigError, GoldenMismatch
from customer_risk.serving.client import ClientError, RiskClient
from customer_risk.serving.golden_check import check


def golden(url: str, bundle: Path, host: str | None, token_file: Path | None) -> None:
    """Send the golden requests of `bundle` to the server at `url`; exit with 1 at the first wrong answer."""
    try:
        token = token_file.read_text().strip() if token_file else None
    except OSError as error:
        raise ConfigError(f"{token_file} can't be read: {error}.", remedy="Name a file with a token.") from error
    try:
        with RiskClient(url, token=token, host=host) as client:
            count = check(client, bundle)
    except (ClientError, GoldenMismatch) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    click.echo(f"{count} golden requests answered as they should be by {url}")
