"""All that an analyst should know of one listed customer: why, on what evidence, what speaks against it, how sure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
import polars as pl

from customer_risk.model.features import catalogue
from customer_risk.model.offboarding.certainty import Certainty, certainties
from customer_risk.model.offboarding.population import Population
from customer_risk.model.offboarding.scored import FEW_TRANSACTIONS
from customer_risk.model.scoring.reasons import top_reasons

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from customer_risk.model.offboarding.criteria import Declared
    from customer_risk.model.offboarding.scored import Scored
    from customer_risk.model.scoring.reasons import Reason

RAISING: Final = 5
LOWERING: Final = 3
SHORT_DAYS: Final = 7
PROFILE: Final = ("reason_to_use_app", "occupation", "kyc_state", "screening_state", "country_of_residence")


_SHOWN: Final = ("id", "time", "local", "type", "direction", "amount", "state")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One reason with its place among the customers scored together ("" where there are too few to say)."""

    code: str
    text: str
    place: str
    contribution: float
    share: float

    def tell(self) -> str:
        """Word it in one line."""
        placed = f" ({self.place})" if self.place else ""
        return f"{self.text}{placed}"


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction that shows a pattern; `local` is its time (`time`, UTC) in the residence's standard time."""

    id: str
    time: datetime
    local: datetime
    type: str
    direction: str
    amount: float
    state: str


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """One corroborating pattern found, and the transactions that show it, in order of time."""

    code: str
    name: str
    sentence: str
    why: str
    transactions: tuple[Transaction, ...]


class Dossier(msgspec.Struct, frozen=True, kw_only=True):
    """One listed customer. `raises` and `lowers` are the score's reasons; `doubts` what else speaks against acting."""

    customer_id: str
    probability: float
    segment: str
    action: str
    listing: str
    raises: tuple[Line, ...]
    lowers: tuple[Line, ...]
    patterns: tuple[Pattern, ...]
    certainty: Certainty
    doubts: tuple[str, ...]
    transactions: int
    first_transaction: datetime | None
    last_transaction: datetime | None
    warnings: str


def dossiers(scored: Scored, *, tick: Callable[[], object] = lambda: None) -> list[Dossier]:
    """Make the dossier of every listed customer, the highest score first; `tick` hears of each one done."""
    listed = (
        scored.table.with_row_index("_row")
        .filter(pl.col("list") != "")
        .sort("probability", "customer_id", descending=[True, False])
    )
    rows = listed["_row"].to_numpy()
    names = scored.bundle.manifest.features
    values = scored.features.select(names).values
    populations = [Population(values[:, column]) for column in range(len(names))]
    place = dict(zip((catalogue.BY_NAME[name].code for name in names), populations, strict=True))
    features = scored.bundle.scorer.features  # with the texts of the bundle's version
    spread = certainties(scored.bundle, values[rows])
    found = _patterns(scored, listed)
    gaps = _gaps(scored)
    made = []
    for row, certainty, facts in zip(rows.tolist(), spread, listed.iter_rows(named=True), strict=True):
        reasons = top_reasons(values[row], scored.scores.contributions[row], features, len(features))
        made.append(
            Dossier(
                customer_id=facts["customer_id"],
                probability=facts["probability"],
                segment=facts["segment"],
                action=facts["action"],
                listing=facts["list"],
                raises=_lines([reason for reason in reasons if reason.direction == "raises"][:RAISING], place),
                lowers=_lines([reason for reason in reasons if reason.direction == "lowers"][:LOWERING], place),
                patterns=tuple(found.get(facts["customer_id"], ())),
                certainty=certainty,
                doubts=tuple(_doubts(facts, certainty, gaps.get(facts["customer_id"], []))),
                transactions=facts["transactions"],
                first_transaction=facts["first_transaction"],
                last_transaction=facts["last_transaction"],
                warnings=facts["warnings"],
            )
        )
        tick()
    return made


def _lines(reasons: Sequence[Reason], place: dict[str, Population]) -> tuple[Line, ...]:
    return tuple(
        Line(
            code=reason.code,
            text=reason.investigator_text,
            place=place[reason.code].tell(reason),
            contribution=reason.contribution,
            share=reason.share,
        )
        for reason in reasons
    )


def evidence(scored: Scored, listed: pl.DataFrame) -> pl.DataFrame:
    """Return the transactions that show each listed customer's patterns: a row for each pattern and transaction."""
    order = {code: number for number, code in enumerate(scored.criteria.by_code())}
    return (
        scored.patterns.join(listed.select("customer_id", "list"), on="customer_id", how="inner")
        .select("customer_id", "list", "code", "ids")
        .explode("ids")
        .rename({"ids": "id", "code": "pattern"})
        .join(scored.transactions, on=["customer_id", "id"], how="inner")
        .sort("customer_id", pl.col("pattern").replace_strict(order, return_dtype=pl.Int64), "time", "direction", "id")
        .select("customer_id", "list", "pattern", *_SHOWN)
    )


def _patterns(scored: Scored, listed: pl.DataFrame) -> dict[str, list[Pattern]]:
    declared = scored.criteria.by_code()
    shown: dict[tuple[str, str], list[Transaction]] = {}
    for customer, _, code, *rest in evidence(scored, listed).iter_rows():
        fields = zip(_SHOWN, rest, strict=True)
        shown.setdefault((customer, code), []).append(Transaction(**dict(fields)))
    found: dict[str, list[Pattern]] = {}
    for customer, code, _, count, amount, share in scored.patterns.iter_rows():
        if (customer, code) in shown:
            one: Declared = declared[code]
            found.setdefault(customer, []).append(
                Pattern(
                    code=code,
                    name=one.rule.name,
                    sentence=one.tell(count=count, amount=amount, share=share),
                    why=one.rule.why,
                    transactions=tuple(shown[customer, code]),
                )
            )
    return found


def _gaps(scored: Scored) -> dict[str, list[str]]:
    """Return the names of the profile fields that each customer lacks."""
    missing = scored.cohort.customers.select("customer_id", *(pl.col(name).is_null() for name in PROFILE))
    return {
        customer: [name for name, lacks in zip(PROFILE, flags, strict=True) if lacks]
        for customer, *flags in missing.iter_rows()
        if any(flags)
    }


def _doubts(facts: dict[str, object], certainty: Certainty, gaps: list[str]) -> list[str]:
    doubts = []
    count, first, last = facts["transactions"], facts["first_transaction"], facts["last_transaction"]
    if count == 0:
        doubts.append("There is no transaction at all: the score rests on the profile alone.")
    elif isinstance(count, int) and count < FEW_TRANSACTIONS:
        doubts.append(f"The history is thin: {count} transactions." if count > 1 else "The history is one transaction.")
    if isinstance(first, datetime) and isinstance(last, datetime) and count != 1:
        days = (last - first).total_seconds() / 86_400
        if days < SHORT_DAYS:
            doubts.append(f"The history is short: {days:.1f} days.")
    if facts["segment"] == "high" and certainty.high_share is not None and not certainty.agreed:
        doubts.append(f"The model is unsure: only {certainty.high_share:.0%} of resampled models say High.")
    if facts["segment"] == "high" and not facts["patterns"]:
        doubts.append("No declared transaction pattern corroborates the score.")
    if gaps:
        doubts.append(f"The profile lacks {', '.join(gaps)}.")
    if "UNKNOWN_CATEGORY" in str(facts["warnings"]):
        doubts.append("The profile holds a category that the model doesn't know; it counted as any other.")
    return doubts
