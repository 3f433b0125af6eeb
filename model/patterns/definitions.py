"""The transaction patterns that can corroborate a high score: their thresholds and their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ROUND_THRESHOLDS: Final = (500, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 15_000)  # EUR


@dataclass(frozen=True, slots=True)
class Pattern:
    """One declared pattern.

    `thresholds` maps each threshold's name to its meaning. An action rule has the values, and `limits` states them in
    one line. `sentence` states for an investigator what was found: the thresholds, and the `{count}` (or
    `{transactions}`, such as "2 transactions"), `{amount}` and `{share}` that were found. `why` says why the pattern
    supports a high score.
    """

    code: str
    name: str
    limits: str
    sentence: str
    why: str
    thresholds: Mapping[str, str]


_HOURS: Final = "length of the period, in hours"
_COUNT: Final = "number of transactions, at least"

PATTERNS: Final[tuple[Pattern, ...]] = (
    Pattern(
        code="PASS_THROUGH",
        name="Money passes through",
        limits="{share} or more of all money in, at least {amount}, gone within {hours}",
        sentence="{amount} that came in left again within {hours} by transfer, payment or crypto purchase: "
        "{share} of all money in.",
        why="An account that only passes money on works as a mule account. A customer who lives from an account keeps "
        "money in it or spends it by card.",
        thresholds={
            "hours": _HOURS,
            "share": "share of all money in that left again, at least",
            "amount": "EUR that left again, at least",
        },
    ),
    Pattern(
        code="CRYPTO_FED_AT_ONCE",
        name="Crypto bought with money that has just come in",
        limits="{share} or more of all crypto purchases, at least {amount}, paid with money of the last {hours}",
        sentence="{amount} that came in was turned into crypto within {hours}: {share} of all crypto purchases.",
        why="Crypto is the quickest way to put stolen money out of reach of a recall.",
        thresholds={
            "hours": _HOURS,
            "share": "share of crypto purchases paid with money that had just come in, at least",
            "amount": "EUR turned into crypto in this way, at least",
        },
    ),
    Pattern(
        code="FAILED_TOP_UPS",
        name="Card top-ups that fail in a row",
        limits="{count} or more within {hours}",
        sentence="{count} card top-ups failed, {threshold_count} or more within {hours}; {amount} was tried.",
        why="One failed top-up may be a typing error. Several in a row may be tests of stolen cards.",
        thresholds={"count": _COUNT, "hours": _HOURS},
    ),
    Pattern(
        code="VELOCITY_BURST",
        name="Many transactions at once",
        limits="{count} or more within {hours}, amounts of 0 left out",
        sentence="{count} transactions in bursts of {threshold_count} or more within {hours}, {amount} altogether.",
        why="Many payments within a short time are typical of scripts, and of thieves who empty an account before "
        "it is blocked.",
        thresholds={"count": _COUNT, "hours": _HOURS},
    ),
    Pattern(
        code="NIGHT_BURST",
        name="A burst of transactions at night",
        limits="{count} or more in one night, from midnight to {until_hour}:00 where the customer lives",
        sentence="{count} transactions in bursts of {threshold_count} or more between midnight and {until_hour}:00 "
        "where the customer lives, {amount} altogether.",
        why="Criminals often take over and empty accounts while the owner sleeps.",
        thresholds={
            "count": _COUNT,
            "until_hour": "the night goes from midnight to this hour, in the residence's time",
        },
    ),
    Pattern(
        code="JUST_BELOW_ROUND",
        name="Amounts just below round thresholds",
        limits="{count} or more within {hours}, each at most {margin} below one of the round thresholds",
        sentence="{count} amounts within {margin} below a round threshold, {threshold_count} or more of them within "
        "{hours}; {amount} altogether.",
        why="Criminals split sums into amounts below the limits at which banks check more closely.",
        thresholds={
            "count": _COUNT,
            "hours": _HOURS,
            "margin": "share of the threshold that an amount may lie below it",
        },
    ),
    Pattern(
        code="LARGE_AMOUNT",
        name="Amounts far beyond the usual",
        limits="{amount} or more, and {usual} or more, which {quantile} of customers never exceed",
        sentence="{transactions} of {threshold_amount} or more, and of {usual} or more, which {quantile} of customers "
        "never exceed; {amount} altogether.",
        why="One large fraudulent payment can cost more than years of margin. Check it before the next one.",
        thresholds={
            "amount": "EUR of one transaction, at least",
            "quantile": "share of the customers who moved money whose greatest transaction is not larger",
        },
    ),
)

BY_CODE: Final[dict[str, Pattern]] = {pattern.code: pattern for pattern in PATTERNS}
