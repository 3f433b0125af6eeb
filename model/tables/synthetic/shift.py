"""A behaviour that changes at a given time, for drift drills."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_risk.model.errors import ConfigError

BEHAVIOURS: Final = {
    "amount": "every amount is multiplied",
    "night_share": "the chance that a customer's session falls in the night is multiplied",
    "crypto_share": "the weight of crypto ramps among a customer's transactions is multiplied",
    "failed_share": "the chance that a top-up or a transfer fails is multiplied",
    "declined_share": "the chance that a card payment is declined is multiplied",
    "pass_through": "the chance that incoming money leaves again within hours is multiplied",
    "velocity": "the number of transactions is multiplied; added ones follow minutes after existing ones",
}


@dataclass(frozen=True, slots=True)
class Shift:
    """Multiply `feature` (one of BEHAVIOURS) by `factor` for transactions created at `at` (aware) or later.

    Raises ConfigError if the behaviour is unknown, `at` has no time zone or the factor isn't a number >= 0.
    """

    feature: str
    at: datetime
    factor: float

    def __post_init__(self) -> None:
        if self.feature not in BEHAVIOURS:
            raise ConfigError(
                f"shift: {self.feature!r} is not a known behaviour.", remedy=f"Use one of {', '.join(BEHAVIOURS)}."
            )
        if self.at.tzinfo is None:
            raise ConfigError(f"shift: the time {self.at} has no time zone.", remedy="Add one, such as UTC.")
        if not (math.isfinite(self.factor) and self.factor >= 0):
            raise ConfigError(
                f"shift: the factor {self.factor} is not a number >= 0.", remedy="Use a number such as 2.0."
            )

    def factors(self, feature: str, moments: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return float64[n]: `factor` for moments (us since 1970) in the shift of `feature`, else 1."""
        if feature != self.feature:
            return np.ones(len(moments))
        return np.where(moments >= _microseconds(self.at), self.factor, 1.0)


def factors(shift: Shift | None, feature: str, moments: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return float64[n]: the factor of `feature` at each moment (us since 1970); all ones without a shift."""
    return np.ones(len(moments)) if shift is None else shift.factors(feature, moments)


def parse_shift(text: str) -> Shift:
    """Read a shift such as `amount=2.0@2024-08-15` (a date or an RFC 3339 time, by default in UTC).

    Raises ConfigError for another form.
    """
    name, _, rest = text.partition("=")
    factor, _, moment = rest.partition("@")
    try:
        at = datetime.fromisoformat(moment.strip())
        return Shift(
            feature=name.strip().replace("-", "_"), at=at if at.tzinfo else at.replace(tzinfo=UTC), factor=float(factor)
        )
    except ValueError as error:
        raise ConfigError(
            f"shift: {text!r} can't be read.", remedy="Write BEHAVIOUR=FACTOR@DATE, such as amount=2.0@2024-08-15."
        ) from error


def _microseconds(moment: datetime) -> int:
    return int(np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us").astype(np.int64))
