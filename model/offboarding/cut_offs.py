"""How far a customer's probability is from each cut-off between the segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from customer_risk.model.scoring.segments import Thresholds

_SMALLEST: Final = 0.001  # a smaller difference is written as "less than 0.001", not as 0.000


class CutOff(msgspec.Struct, frozen=True, kw_only=True):
    """One cut-off: `segment` begins at the probability `start`; the customer's is `start` plus `difference`."""

    segment: str
    start: float
    difference: float

    def tell(self) -> str:
        """Return the cut-off and the distance in words."""
        begins = f"{self.segment.capitalize()} begins at {self.start:.3f}"
        if self.difference == 0:
            return f"{begins}: the probability is exactly that"
        size = abs(self.difference)
        far = f"{size:.3f}" if size >= _SMALLEST else f"less than {_SMALLEST}"
        return f"{begins}: the probability is {far} {'higher' if self.difference > 0 else 'lower'}"


def cut_offs(probability: float, thresholds: Thresholds) -> tuple[CutOff, ...]:
    """Return the distances to Medium and to High; only to High if the thresholds leave no segment Medium."""
    starts = {"medium": thresholds.medium, "high": thresholds.high}
    if thresholds.medium == thresholds.high:
        del starts["medium"]
    return tuple(
        CutOff(segment=segment, start=start, difference=probability - start) for segment, start in starts.items()
    )
