"""Segments (low, medium, high) of a probability, and their actions."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

from customer_risk.model.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

Segment = Literal["low", "medium", "high"]
Action = Literal["none", "review", "propose_off_boarding"]  # from the weakest to the strongest

BY_STRENGTH: Final[tuple[Action, ...]] = get_args(Action)
SEGMENTS: Final[tuple[Segment, ...]] = ("low", "medium", "high")
ACTIONS: Final[Mapping[Segment, Action]] = MappingProxyType(
    {"low": "none", "medium": "review", "high": "propose_off_boarding"}
)


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least probabilities of the segments medium and high.

    Raises BundleError unless 0 <= medium <= high <= 1. Equal thresholds mean that there is no medium segment.
    """

    medium: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.medium) and math.isfinite(self.high) and 0 <= self.medium <= self.high <= 1):
            raise BundleError(
                f"The thresholds can't be used: 0 <= medium ({self.medium}) <= high ({self.high}) <= 1 doesn't hold.",
                remedy="Make the bundle again with `customer-risk train`.",
            )

    def segment_of(self, probability: float) -> Segment:
        """Return the segment of one probability."""
        if probability >= self.high:
            return "high"
        return "medium" if probability >= self.medium else "low"
