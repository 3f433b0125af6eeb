"""What `customer-risk compile` does."""

from __future__ import annotations

from customer_risk.model.errors import ConfigError
from customer_risk.model.scoring.compiled import counts, target
from customer_risk.model.terminal import echo
from customer_risk.serving.warm_up import warm


def compile_() -> None:
    """Compile every kernel and print how many were compiled. Raises ConfigError if one can't be saved."""
    warm()
    echo(f"{counts.compiled} functions compiled for {target()}, {counts.loaded} were compiled before", err=True)
    if counts.lost:
        raise ConfigError(
            f"{counts.lost} compiled functions can't be saved.", remedy="Run it where the install folder is writable."
        )
