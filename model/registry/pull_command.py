"""What `customer-risk registry pull` does; as a pod's first step, it loads neither Numba nor Google's libraries."""

from __future__ import annotations

from pathlib import Path

from customer_risk.model.registry.factory import open_store
from customer_risk.model.registry.pulling import pull as pull_
from customer_risk.model.terminal import echo


def pull(version: str, where: str, endpoint: str, out: Path) -> None:
    """Fetch the bundle HASH (all 64 digits) into a folder, verified by its hash and each file's: a pod's first step.

    Whole or not at all; a folder that holds that bundle already is left as it is. Follows no alias.
    """
    fetched = pull_(version, open_store(where, endpoint), out)
    echo(f"{out} holds {version}, {'fetched from ' + where if fetched else 'as it did'}; verified.", err=True)
