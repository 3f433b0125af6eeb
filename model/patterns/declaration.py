"""Checks the thresholds that a configuration declares for patterns, or that an action rule has frozen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from customer_risk.model.patterns.definitions import BY_CODE

if TYPE_CHECKING:
    from collections.abc import Mapping

# Beyond these values a threshold has no meaning.
_GREATEST: Final = {"share": 1.0, "margin": 0.5, "quantile": 1.0, "until_hour": 12.0}
# The population's quantile in EUR, which training adds to LARGE_AMOUNT.
USUAL: Final = "usual"


def declaration_faults(patterns: Mapping[str, Mapping[str, float]], minimum: int, *, frozen: bool) -> list[str]:
    """Return the faults of the patterns' thresholds, by code and name, and of the minimum number of patterns.

    With `frozen`, LARGE_AMOUNT must have `usual`, 0 or more.
    """
    faults = [f"{code} is not a known pattern" for code in patterns if code not in BY_CODE]
    for code, limits in patterns.items():
        if code in BY_CODE:
            faults += [f"{code}.{fault}" for fault in _threshold_faults(code, limits, frozen=frozen)]
    if not 1 <= minimum <= len(patterns):
        faults.append(f"minimum is {minimum}; it must be from 1 to {len(patterns)}, the number of patterns")
    return faults


def _threshold_faults(code: str, limits: Mapping[str, float], *, frozen: bool) -> list[str]:
    names = [*BY_CODE[code].thresholds, *([USUAL] if frozen and code == "LARGE_AMOUNT" else [])]
    faults = [f"{name} is unknown" for name in limits.keys() - set(names)]
    faults += [f"{name} is missing" for name in names if name not in limits]
    for name, value in limits.items():
        greatest = _GREATEST.get(name, math.inf)
        least_allowed = value >= 0 if name == USUAL else value > 0
        if not (math.isfinite(value) and least_allowed and value <= greatest):
            span = "0 or more" if name == USUAL else "greater than 0"
            faults.append(
                f"{name} is {value}, which is not {span} and at most {_GREATEST.get(name, 'any finite number')}"
            )
        elif name == "count" and (value != int(value) or value < 2):
            faults.append(f"count is {value}, which is not a whole number of 2 or more")
    return sorted(faults)
