"""What `customer-risk registry pull` does. Pods start with it, so it imports neither Numba nor Google's libraries."""

from __future__ import annotations

from pathlib import Path

from customer_risk.model.registry.factory import open_store
from customer_risk.model.registry.pulling import pull as pull_
from customer_risk.model.terminal import echo


def pull(version: str, where: str, endpoint: str, out: Path) -> None:
    """Download a bundle to the folder `out` and verify it; print on standard error whether it was downloaded.

    Raises what `pulling.pull` raises.
    """
    fetched = pull_(version, open_store(where, endpoint), out)
    echo(f"{out} has bundle {version}, {f'downloaded from {where}' if fetched else 'unchanged'}; verified.", err=True)
