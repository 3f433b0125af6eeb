"""The facts about one customer for an analyst: the action and its reasons, the evidence, and the certainty."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
import polars as pl

from customer_risk.model.features import catalogue
from customer_risk.model.features.values import duration, formatted
from customer_risk.model.offboarding.certainty import Certainty, certainties
from customer_risk.model.offboarding.cut_offs import CutOff, cut_offs
from customer_risk.model.offboarding.decided_before import NO_SIGN_OFFS, DecidedBefore, EarlierSignOffs, decided_before
from customer_risk.model.offboarding.population import Population
from customer_risk.model.offboarding.profile_facts import LABELS, NOT_GIVEN, Fact, profile_facts
from customer_risk.model.offboarding.scored import FEW_TRANSACTIONS, codes_in
from customer_risk.model.scoring.reasons import top_reasons

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from customer_risk.model.offboarding.scored import Scored
    from customer_risk.model.scoring.reasons import Reason

RAISING: Final = 5
LOWERING: Final = 5
SHORT_DAYS: Final = 7
_DAY: Final = 86_400  # seconds
EXPECTED: Final = ("reason_to_use_app", "occupation", "kyc_state", "screening_state", "country_of_residence")
_HISTORY: Final = ("in_sum", "out_sum", "active_days")
_SHOWN: Final = ("id", "time", "local", "type", "direction", "amount", "state")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One reason with its place among the customers scored together; the place is "" if they are too few."""

    code: str
    text: str
    place: str
    contribution: float
    share: float

    def tell(self) -> str:
        """Return the reason and its place in one line."""
        placed = f" ({self.place})" if self.place else ""
        return f"{self.text}{placed}"


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction that shows a pattern; `time` is in UTC, `local` in the standard time of the residence."""

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
    """One customer.

    `because` says in words which action follows from the segment and the patterns. `raises` and `lowers` are the
    reasons of the score. `doubts` are sentences about other causes of uncertainty. `profile` and `history` are facts
    without a judgement. `earlier` is the newest earlier decision on the customer; None if no decision was found.
    """

    customer_id: str
    probability: float
    segment: str
    action: str
    listing: str
    because: str
    cut_offs: tuple[CutOff, ...]
    profile: tuple[Fact, ...]
    history: tuple[Fact, ...]
    raises: tuple[Line, ...]
    lowers: tuple[Line, ...]
    patterns: tuple[Pattern, ...]
    certainty: Certainty
    doubts: tuple[str, ...]
    earlier: DecidedBefore | None
    transactions: int
    first_transaction: datetime | None
    last_transaction: datetime | None
    warnings: str

    def fact(self, column: str) -> str:
        """Return the profile's value of a column of the users table; "not given" if it is missing."""
        return next(fact.value for fact in self.profile if fact.name == LABELS[column])


def share_of_effects(share: float) -> str:
    """Return a reason's share in whole percent; a share that rounds to 0 is "<1%"."""
    return f"{share:.0%}" if share >= 0.005 else "<1%"


def dossiers(
    scored: Scored, earlier: EarlierSignOffs = NO_SIGN_OFFS, *, tick: Callable[[], object] = lambda: None
) -> list[Dossier]:
    """Make the dossier of every listed customer, the highest score first; `tick` is called after each."""
    return make_dossiers(scored, pl.col("list") != "", earlier, tick=tick)


def make_dossiers(
    scored: Scored,
    wanted: pl.Expr,
    earlier: EarlierSignOffs = NO_SIGN_OFFS,
    *,
    tick: Callable[[], object] = lambda: None,
) -> list[Dossier]:
    """Make the dossiers of the rows of `scored.table` for which `wanted` is true, the highest score first."""
    chosen = (
        scored.table.with_row_index("_row").filter(wanted).sort("probability", "customer_id", descending=[True, False])
    )
    rows = chosen["_row"].to_numpy()
    names = scored.bundle.manifest.features
    values = scored.features.select(names).values
    populations = [Population(values[:, column]) for column in range(len(names))]
    place = dict(zip((catalogue.BY_NAME[name].code for name in names), populations, strict=True))
    features = scored.bundle.scorer.features  # with the texts of the bundle's wordings version
    spread = certainties(scored.bundle, values[rows])
    found = _patterns(scored, chosen)
    profiles = profile_facts(scored.cohort.customers.join(chosen, on="customer_id", how="semi"))
    histories = scored.features.select(_HISTORY).values
    made = []
    for row, certainty, facts in zip(rows.tolist(), spread, chosen.iter_rows(named=True), strict=True):
        reasons = top_reasons(values[row], scored.scores.contributions[row], features, len(features))
        customer, patterns = facts["customer_id"], tuple(found.get(facts["customer_id"], ()))
        made.append(
            Dossier(
                customer_id=customer,
                probability=facts["probability"],
                segment=facts["segment"],
                action=facts["action"],
                listing=facts["list"],
                because=scored.criteria.because(facts["segment"], len(patterns)),
                cut_offs=cut_offs(facts["probability"], scored.bundle.manifest.thresholds),
                profile=profiles[customer],
                history=_history(facts, histories[row].tolist()),
                raises=_lines([reason for reason in reasons if reason.direction == "raises"][:RAISING], place),
                lowers=_lines([reason for reason in reasons if reason.direction == "lowers"][:LOWERING], place),
                patterns=patterns,
                certainty=certainty,
                doubts=tuple(_doubts(facts, certainty, profiles[customer])),
                earlier=decided_before(earlier.decisions[customer], facts) if customer in earlier.decisions else None,
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
            one = declared[code]
            found.setdefault(customer, []).append(
                Pattern(
                    code=code,
                    name=one.pattern.name,
                    sentence=one.tell(count=count, amount=amount, share=share),
                    why=one.pattern.why,
                    transactions=tuple(shown[customer, code]),
                )
            )
    return found


def _history(facts: dict[str, object], values: Sequence[float]) -> tuple[Fact, ...]:
    count, first, last = facts["transactions"], facts["first_transaction"], facts["last_transaction"]
    told = [Fact(name="Transactions", value=f"{count:,}")]
    if isinstance(first, datetime) and isinstance(last, datetime):
        told += [
            Fact(name="First transaction", value=f"{first:%Y-%m-%d %H:%M} UTC"),
            Fact(name="Last transaction", value=f"{last:%Y-%m-%d %H:%M} UTC"),
        ]
        money_in, money_out, days = values
        told += [
            Fact(name="Money in", value=formatted(money_in, "EUR")),
            Fact(name="Money out", value=formatted(money_out, "EUR")),
            Fact(name="Days with a transaction", value=f"{days:,.0f}"),
        ]
    return tuple(told)


def _doubts(facts: dict[str, object], certainty: Certainty, profile: Sequence[Fact]) -> list[str]:
    doubts = []
    count, first, last = facts["transactions"], facts["first_transaction"], facts["last_transaction"]
    if count == 0:
        doubts.append("The customer has no transactions. The score is based on the profile alone.")
    elif isinstance(count, int) and count < FEW_TRANSACTIONS:
        doubts.append(f"The customer has only {count} transaction{'s' if count > 1 else ''}.")
    if isinstance(first, datetime) and isinstance(last, datetime) and count != 1:
        seconds = (last - first).total_seconds()
        if seconds < SHORT_DAYS * _DAY:
            doubts.append(f"The history is short: it covers {duration(seconds)}.")
    if facts["segment"] == "high" and certainty.high_share is not None and not certainty.agreed:
        doubts.append(
            f"The score is uncertain: only {certainty.high_share:.0%} of the models fitted on resampled customers say "
            "High."
        )
    if facts["segment"] == "high" and not facts["patterns"]:
        doubts.append("No transaction pattern supports the score.")
    gaps = {LABELS[name] for name in EXPECTED}
    lacking = [fact.name for fact in profile if fact.name in gaps and fact.value == NOT_GIVEN]
    if lacking:
        doubts.append(f"The profile does not give: {', '.join(lacking)}.")
    unknown = [
        LABELS[part.removeprefix("UNKNOWN_CATEGORY ")]
        for part in codes_in(str(facts["warnings"]))
        if part.startswith("UNKNOWN_CATEGORY ")
    ]
    if unknown:
        doubts.append(
            f'The model does not know the value of these profile fields and scored it as "other": {", ".join(unknown)}.'
        )
    return doubts
