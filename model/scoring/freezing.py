"""Makes the action rule that a configuration declares, with a quantile of a population of customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from customer_risk.model.errors import ConfigError
from customer_risk.model.patterns.declaration import USUAL, declaration_faults
from customer_risk.model.patterns.definitions import PATTERNS
from customer_risk.model.patterns.finder import greatest_amounts
from customer_risk.model.scoring.action_rule import ActionRule

if TYPE_CHECKING:
    from customer_risk.model.config import Corroboration
    from customer_risk.model.features.encoded import Encoded
    from customer_risk.model.features.kernel.compute import Settings


def check_corroboration(corroboration: Corroboration) -> None:
    """Raise ConfigError, naming every fault at once, if the declared patterns can't be used.

    Faults are an unknown pattern, a missing, unknown or out-of-range threshold, and a minimum that is less than 1 or
    more than the number of patterns.
    """
    faults = declaration_faults(corroboration.rules, corroboration.minimum, frozen=False)
    if faults:
        raise ConfigError(
            f"The section corroboration can't be used: {'; '.join(faults)}.",
            remedy=f"The patterns are {', '.join(one.code for one in PATTERNS)}; model/defaults.yaml shows each with "
            "its thresholds.",
        )


def freeze(corroboration: Corroboration, encoded: Encoded, settings: Settings, *, threads: int = 1) -> ActionRule:
    """Return the action rule that `corroboration` declares, frozen with the customers in `encoded`.

    LARGE_AMOUNT gets `usual`: the declared quantile of the greatest amounts of the customers who moved money. It is
    one customer's own amount, never a mean of two. It is 0 if no customer moved money; then only the declared amount
    counts.
    Raises ConfigError as `check_corroboration`.
    """
    check_corroboration(corroboration)
    patterns = {one.code: dict(corroboration.rules[one.code]) for one in PATTERNS if one.code in corroboration.rules}
    large = patterns.get("LARGE_AMOUNT")
    if large is not None:
        greatest = greatest_amounts(encoded, settings, threads=threads)
        moved = greatest[greatest > 0]
        large[USUAL] = float(np.quantile(moved, large["quantile"], method="higher")) if len(moved) else 0.0
    return ActionRule(minimum=corroboration.minimum, patterns=patterns)
