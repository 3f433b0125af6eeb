"""Reasons of a customer's score: one text for investigators, another that the customer may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np

from customer_risk.model.scoring.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from customer_risk.model.features.feature import Feature
    from customer_risk.model.scoring.segments import Segment

NEUTRAL: Final = "The details in your profile."


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of one feature on one customer's score.

    `contribution` is in the shown probability's log-odds, `share` its part of all features' absolute contributions.
    `code`, `direction` and `text` may be shown to the customer; the other fields need the scope `explain`. `text` is
    empty if an earlier reason has the same text. `value` is None if the feature is missing.
    """

    code: str
    text: str
    direction: Literal["raises", "lowers"]
    feature: str
    value: float | None
    unit: str
    contribution: float
    share: float
    investigator_text: str


def top_reasons(
    values: NDArray[np.float64],
    contributions: NDArray[np.float64],
    features: Sequence[Feature],
    n: int = 5,
    *,
    segment: Segment = "high",
    repeats: bool = False,
) -> tuple[Reason, ...]:
    """Return at most `n` reasons for one customer from values float64[f], contributions float64[f] and features.

    The greatest absolute contribution comes first, equal ones (to nine decimals, so that the last bit changes nothing)
    in the features' order; in the segments medium and high those that raise the risk come before those that lower it,
    since they are why the customer is in the segment. Features that contribute nothing are left out. The customer's
    text is empty if an earlier reason has the same text, unless `repeats`.
    """
    places = np.empty(n, np.int64)
    count, total = _lead(contributions, segment != "low", places)
    total = float(total)  # a NumPy scalar if not compiled
    reasons: list[Reason] = []
    seen: list[str] = []  # for a few texts, faster than a set
    for place in places.tolist()[:count]:
        feature, value, contribution = features[place], values.item(place), contributions.item(place)
        text = feature.customer if feature.tips_off else customer_text(feature, value)
        if not repeats:
            if text in seen:
                text = ""
            else:
                seen.append(text)
        reason = Reason(
            code=feature.code,
            text=text,
            direction="raises" if contribution > 0 else "lowers",
            feature=feature.name,
            value=value if value == value else None,  # noqa: PLR0124  NaN alone differs from itself
            unit=feature.unit,
            contribution=contribution,
            share=abs(contribution) / total,
            investigator_text=feature.describe(value),
        )
        reasons.append(reason)
    return tuple(reasons)


@compiled
def _lead(contributions: NDArray[np.float64], raising_first: bool, places: NDArray[np.int64]) -> tuple[int, float]:
    """Fill `places` with the leading contributions' indices; return their number, and the sum of all absolutes.

    Insertion into a short list costs less than sorting all.
    """
    count, total = 0, 0.0
    for place in range(contributions.size):
        absolute = abs(contributions[place])
        total += absolute
        billionths = np.rint(absolute * 1e9)
        if billionths == 0:
            continue
        raises = contributions[place] > 0
        at = count
        while at > 0:
            other = places[at - 1]
            if raising_first and raises != (contributions[other] > 0):
                ahead = raises
            else:
                ahead = billionths > np.rint(abs(contributions[other]) * 1e9)
            if not ahead:
                break
            if at < places.size:
                places[at] = other
            at -= 1
        if at < places.size:
            places[at] = place
            count = min(count + 1, places.size)
    return count, total


def customer_text(feature: Feature, value: float) -> str:
    """Return a feature's text for the customer: without its value, and without anything that could tip off.

    A feature that can't tip off is worded as a statement ("Your profile is not complete."), which is true only of a
    value above 0; for other values the text is the neutral one.
    """
    return feature.customer if feature.tips_off or value > 0 else NEUTRAL
